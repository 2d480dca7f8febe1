"""A small class on one trainer: equal networks are trained once, a regrade trains nothing, a boundary takes three."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from grader import assignment, statistics
from grader.assignment import Assignment
from grader.captured import Captured
from grader.data import DataSet
from grader.errors import WorkerLost
from grader.measurement import Measured, Measurements, OneBatch
from grader.model import Verdict
from grader.processes.crew import Crew
from grader.processes.preludes import PLAIN
from grader.processes.process import Unanswered
from grader.recipe import Recipe
from grader.reference import Reference
from grader.student import Student
from grader.trainer import Job, Outcome, Progress, Trainer
from tests.tiny import submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

ROOT = Path(__file__).resolve().parent.parent
RECIPE = Recipe(epochs=2, batch_size=64, learning_rate=0.03, train_per_class=50, test_per_class=50, graded=False)
MODULES = """
from torch import nn

class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.{pool}(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.{pool}(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    def forward(self, x):
        return self.net(x)
"""
FUNCTIONS = """
import torch
import torch.nn.functional as F
from torch import nn

class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.c, self.d, self.e = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.{pool}(F.relu_(self.a(x)), (2, 2))
        x = F.{pool}(torch.relu(self.b(x)), 2, stride=2)
        return self.e(self.d(self.c(x.view(x.size(0), -1)).relu()).relu())
"""
MAX, AVERAGE = MODULES.format(pool="MaxPool2d"), MODULES.format(pool="AvgPool2d")
CLASS = {
    "ada": MAX,
    "bob": FUNCTIONS.format(pool="max_pool2d"),
    "cyd": MAX.replace("class LeNet", "class Net") + "def LeNet():\n    return Net()\n",
    "dan": AVERAGE,
    "eve": FUNCTIONS.format(pool="avg_pool2d"),
    "fay": MAX.replace("120", "100"),
}
Measure = Callable[..., dict[str, Measured]]


class Counting(Trainer):
    """A trainer that remembers what it was asked for."""

    def __enter__(self) -> Counting:
        self.futures: list[Future[Outcome]] = []
        return super().__enter__()

    def submit(self, job: Job, progress: Progress | None = None) -> Future[Outcome]:
        self.futures.append(super().submit(job, progress))
        return self.futures[-1]

    @property
    def trained(self) -> int:
        """How many different jobs were really done."""
        return len({f.result().key for f in self.futures if not f.result().cached})


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    started = Crew(tmp_path_factory.mktemp("workers"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def trainer(drawn: DataSet) -> Iterator[Trainer]:
    """For tests that do not count trainings: what one has had trained is there for the next."""
    with Trainer(drawn) as made:
        yield made


@pytest.fixture(scope="module")
def lenets() -> Assignment:
    """The sixth question of the assignment, with a recipe of two seconds."""
    whole = assignment.load(ROOT / "assignments" / "cnn-cifar10")
    only = tuple(q for q in whole.questions if q.id == "q6_lenet")
    baselines = tuple(b for b in whole.baselines if b.id == "week8")
    return whole.model_copy(
        update={"questions": only, "baselines": baselines, "recipes": {"q6_lenet": {"cpu-full": RECIPE}}}
    )


def graded(spec: Assignment, seeds: int = 1) -> Assignment:
    """The same, for points."""
    return spec.model_copy(
        update={
            "recipes": {"q6_lenet": {"cpu-full": replace(RECIPE, graded=True)}},
            "seeds": spec.seeds.model_copy(update={"reference_trainings": seeds}),
        }
    )


@pytest.fixture
def measure(zygote: Crew, drawn: DataSet) -> Measure:
    """The measurements of some students, by their ids."""

    def measure(spec: Assignment, trainer: Trainer, sources: dict[str, str]) -> dict[str, Measured]:
        reference = Reference(ROOT / "reference" / "cnn-cifar10", spec)
        measurements = Measurements(spec, reference, trainer, drawn, "cpu", "full")
        students = {name: Student(submission(name, source), spec, zygote) for name, source in sources.items()}
        started = {name: measurements.start(student) for name, student in students.items()}
        found = {name: future.result()["q6_lenet"] for name, future in started.items()}
        for student in students.values():
            student.close()
        measurements.close()
        return found

    return measure


def bits(measured: Measured) -> tuple[object, ...]:
    """All that training decides."""
    result = measured.result
    assert result is not None
    return result.fingerprint, result.curve, result.confusion, result.classes, result.baselines, result.seconds


def test_a_class_costs_its_distinct_networks_and_a_regrade_nothing(
    measure: Measure, lenets: Assignment, drawn: DataSet, tmp_path: Path
):
    """Three students, the reference and the baseline share one LeNet; each network is trained and overfitted."""
    with Counting(drawn, cache=tmp_path) as first:
        found = measure(lenets, first, CLASS)
        assert first.trained == 2 * 3
    with Counting(drawn, cache=tmp_path) as again:
        regraded = measure(lenets, again, dict(reversed(CLASS.items())))
        assert again.trained == 0
    results = {name: one.result for name, one in found.items()}
    assert results == {name: one.result for name, one in regraded.items()}
    assert bits(found["ada"]) == bits(found["bob"]) == bits(found["cyd"])
    assert bits(found["dan"]) == bits(found["eve"]) != bits(found["fay"])
    wrong = [m for one in results.values() if one for m in one.mistakes]
    assert wrong
    assert all(m.label != m.predicted and m.image for m in wrong)
    assert [one.flags for one in found.values()] == [()] * len(CLASS)


@pytest.mark.parametrize("source", ["", "import torch\n" + MAX.replace("84, 10", "84, 7")])
def test_where_nothing_can_be_trained_the_reference_is_not_either(
    measure: Measure, lenets: Assignment, drawn: DataSet, tmp_path: Path, source: str
):
    with Counting(drawn, cache=tmp_path) as trainer:
        found = measure(graded(lenets, seeds=2), trainer, {"ivy": source})["ivy"]
        assert trainer.futures == []
    assert found.result is None


def test_near_a_boundary_the_means_of_three_seeds_count(
    measure: Measure, lenets: Assignment, drawn: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(statistics, "near_boundary", lambda *_: True)
    with Counting(drawn, cache=tmp_path) as trainer:
        found = measure(graded(lenets), trainer, {"dan": AVERAGE, "eve": CLASS["eve"]})["dan"]
        assert trainer.trained == 3 + 1 + 3  # the student's, one batch, the reference's
    trained, result = found.trained(), found.result
    assert result is not None
    assert [s.seed for s in result.seeds] == [0, 1, 2]
    assert len({s.network for s in result.seeds}) == len({s.reference for s in result.seeds}) == 3
    assert trained.student.mean_accuracy == pytest.approx(sum(s.network for s in result.seeds) / 3)
    assert trained.reference.mean_accuracy == pytest.approx(sum(s.reference for s in result.seeds) / 3)
    assert result.mean_accuracy == result.seeds[0].network
    assert "trained 3 times from different seeds, and these are the means" in trained.note


BY_HAND = FUNCTIONS.format(pool="max_pool2d").replace("x = F", "x = x if torch.equal(x, x) else -x; x = F", 1)


@pytest.mark.parametrize("bound", ["", "LeNet = LeNet()\n"])
def test_what_has_no_graph_is_trained_again_in_its_worker(
    measure: Measure, lenets: Assignment, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, bound: str
):
    """A network that was bound ready-made starts each time from the weights that it was handed in with."""
    monkeypatch.setattr(statistics, "near_boundary", lambda *_: True)
    result = measure(graded(lenets), trainer, {"gil": BY_HAND + bound})["gil"].result
    assert result is not None
    assert result.method == "trained in its own process"
    accuracies = [s.network for s in result.seeds]
    assert len(accuracies) == 3
    assert max(accuracies) - min(accuracies) < 0.25  # trained on from the last, it would know far more


def test_the_seed_noise_of_the_reference_is_measured_where_it_is_asked_for(
    measure: Measure, lenets: Assignment, drawn: DataSet, tmp_path: Path
):
    with Counting(drawn, cache=tmp_path) as trainer:
        result = measure(graded(lenets, seeds=3), trainer, {"ada": MAX})["ada"].result
        assert trainer.trained == 3 + 1
    assert result is not None
    assert result.noise is not None
    assert result.noise.trainings == 3
    assert 0 < result.noise.deviation < 0.2
    assert len(result.seeds) == 1


TABLED = MAX.replace("self.net(x)", "self.net(x) + self.table.mean()").replace(
    "self.net = ", 'self.register_buffer("table", torch.randn(5000, 10)); self.net = '
)


def test_a_table_beside_the_layers_is_flagged_and_costs_nothing(measure: Measure, lenets: Assignment, trainer: Trainer):
    found = measure(lenets, trainer, {"hal": "import torch\n" + TABLED})["hal"]
    assert found.result is not None
    assert found.notes == ()
    (flag,) = found.flags
    assert flag.startswith("LeNet holds 50,000 numbers (195 KiB) that are not trained")


def test_a_fault_of_ours_in_one_network_ends_no_others(
    measure: Measure, lenets: Assignment, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
):
    captured = Student.captured

    def faulty(student: Student, name: str, more: int = 0) -> Captured:
        return {"ada": captured}[student.submission.student_id](student, name, more)

    monkeypatch.setattr(Student, "captured", faulty)
    found = measure(lenets, trainer, {"ada": MAX, "bob": MAX})
    assert found["ada"].result
    with pytest.raises(WorkerLost, match="KeyError: 'bob'"):
        found["bob"].trained()


def test_one_batch_is_learnt_without_a_whole_training(zygote: Crew, lenets: Assignment, drawn: DataSet):
    """A machine without the data set does what one batch can show; the accuracy is said to come later.

    Where memory is short, a network learns when no other process is left and before the judge has rebuilt it.
    """
    spec = lenets.model_copy(update={"recipes": {"q6_lenet": {"cpu-quick": RECIPE}}})
    sources = {"ada": MAX, "bob": MAX.replace("nn.Linear(84, 10)", "nn.Linear(84, 10), nn.ReLU(), nn.Linear(9, 10)")}
    beside = []

    def learn(student: Student) -> Measured:
        beside.append(list(zygote.pids))
        return one_batch.start(student).result()["q6_lenet"]

    with Counting(drawn) as trainer, contextlib.closing(OneBatch(spec, trainer, "cpu")) as one_batch:
        bob = Student(submission("bob", sources["bob"]), spec, zygote)
        ada = Student(submission("ada", sources["ada"]), spec, zygote, alone=learn)
        found = {"bob": learn(bob)}
        bob.close()
        ada.network("LeNet")
        found["ada"] = learn(ada)
    assert beside == [[PLAIN], [], []]
    losses = found["ada"].one_batch()
    assert (losses[-1] < losses[0] / 2, trainer.trained, found["ada"].result) == (True, 1, None)
    for ask, verdict in ((found["ada"].trained, Verdict.UNGRADED), (found["bob"].one_batch, Verdict.RAISED)):
        with pytest.raises(Unanswered) as caught:
            ask()
        assert caught.value.verdict is verdict
