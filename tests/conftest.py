"""What several tests share: a small real data set where there is one, and a network to train."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from torch import nn

from grader import data
from grader.data import DataSet

# The same examples every time, however busy the machine is.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# Who is started in the background ignores Ctrl-C, and so would every command that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
PER_CLASS = {"train": 100, "test": 50}
ROWS = {"train": 1500, "test": 800}  # enough of the shuffled rows to hold so many of each class

# Begun first, the longest before the others: a long file that is begun last keeps one process busy and none beside it.
LONG = (
    *("submissions", "architecture", "attacks", "checking", "measurement", "grading_again", "engines_cluster", "crew"),
    *("live", "trainer", "resume", "cli", "bench", "batch", "lms_runs", "situations", "engines", "report_browser"),
    *("sandbox_worker", "process", "cnn_cifar10", "lateness", "station", "trainer_pool", "judge", "plugin", "report"),
    *("graph_capture", "graph_rebuild", "trainer_class", "doctor", "statistics"),
)
PLACES = {f"test_{name}": place for place, name in enumerate(LONG)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first; every file's tests stay together and in order."""
    items.sort(key=lambda item: PLACES.get(item.path.stem, len(LONG)))


def cifar_folder() -> Path | None:
    """The folder with cifar10-train.parquet and cifar10-test.parquet, if there is one."""
    folder = Path(os.environ.get("TORCHGRADER_CIFAR10", ROOT.parent / "shared" / "data"))
    return folder if (folder / "cifar10-train.parquet").is_file() else None


@pytest.fixture(scope="session")
def cifar_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first rows of the real parquet files."""
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    if (source := cifar_folder()) is None:
        pytest.skip("no CIFAR-10 here: set TORCHGRADER_CIFAR10 to a folder with cifar10-{train,test}.parquet")
    folder = tmp_path_factory.mktemp("parquet")
    for part, rows in ROWS.items():
        name = f"cifar10-{part}.parquet"
        batch = next(pq.ParquetFile(source / name).iter_batches(batch_size=rows))
        pq.write_table(pa.Table.from_batches([batch]), folder / name)
    return folder


@pytest.fixture(scope="session")
def cifar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """100 training and 50 test images of each class: real ones, else the stand-in."""
    if cifar_folder() is None:
        return data.stand_in(PER_CLASS["train"], PER_CLASS["test"])
    rows = request.getfixturevalue("cifar_rows")
    return data.prepare(str(rows), tmp_path_factory.mktemp("data") / "cifar.safetensors", *PER_CLASS.values(), salt="")


@pytest.fixture(scope="session")
def drawn() -> DataSet:
    """The stand-in: 100 training and 50 test images of each class, quickly learnt."""
    return data.stand_in(PER_CLASS["train"], PER_CLASS["test"])


@pytest.fixture
def lenet() -> Callable[[], nn.Module]:
    """Makes a LeNet with weights from torch's present random state."""
    return lambda: nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
