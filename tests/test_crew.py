"""The death of a zygote, by real kill -9 at several moments: it is started again, and no answer changes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from grader import sandbox
from grader.errors import WorkerLost
from grader.model import Verdict
from grader.processes.crew import MOST_LOSSES, Crew, Patience
from grader.processes.origin import Zygote
from grader.processes.preludes import PLAIN, WITH_VISION, practises, prelude, preludes
from grader.processes.process import Allowance, Unanswered, Worker
from grader.student import Student
from tests.tiny import Tiny, load_request, run_request, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

ALLOWANCE = Allowance(memory_bytes=2 << 30, output_bytes=1 << 12, cpu_seconds=60)
TAKES_A_MOMENT = """
import time
PAUSE = sum(1 for _ in range(5_000_000))  # until the zygote is dead
def double(x):
    time.sleep(0.3 if PAUSE else 0)
    print("run")
    return 2 * x
"""


def crew_for_layers(scratch: Path, **options: Any) -> Crew:
    """One whose zygotes, many of which are started here, practise nothing for networks."""
    chosen = sandbox.choose()
    return Crew(scratch, chosen, start=lambda modules: Zygote(scratch, modules, chosen, networks=False), **options)


@pytest.mark.parametrize(
    ("text", "networks", "practises_it"),
    [
        ("relu = nn.ReLU()", True, False),
        ("class LeNet(nn.Module): pass", True, True),
        ("class LeNet(nn.Module): pass", False, False),
        ("step = torch.optim.SGD", False, True),
    ],
)
def test_what_networks_need_is_made_ready_where_there_may_be_one(text: str, networks: bool, practises_it: bool) -> None:
    assert practises([text.encode()], networks=networks) is practises_it


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    started = crew_for_layers(tmp_path_factory.mktemp("workers"))
    yield started
    started.close()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zygotes(pid: int) -> list[int]:
    """The zygote and those who wait for it: the last is the one that forks."""
    chain = [pid]
    while (below := children(chain[-1])) and (Path(f"/proc/{chain[-1]}/ns/pid_for_children").readlink()) != (
        Path(f"/proc/{chain[-1]}/ns/pid").readlink()
    ):
        chain.append(below[0])
    return chain


def kill(crew: Crew, which: int = 0) -> None:
    """Kill -9, 0 the process that the judge started, -1 the one that forks; and wait until none of them is left."""
    pids = zygotes(crew.pids[PLAIN])
    handles = [os.pidfd_open(pid) for pid in pids]
    os.kill(pids[which], signal.SIGKILL)
    for handle in handles:
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)


Open = Callable[..., Student]


@pytest.fixture
def student(crew: Crew, tmp_path: Path) -> Iterator[Open]:
    """`student()` opens a submission of the tiny assignment."""
    spec = Tiny(tmp_path).write().load()
    with contextlib.ExitStack() as stack:

        def open_(source: str = TAKES_A_MOMENT) -> Student:
            return stack.enter_context(contextlib.closing(Student(submission("ada", source), spec, crew)))

        yield open_


def doubled(student: Student) -> list[float]:
    return list(student.run("double", torch.tensor([1.0, 2.0])).tolist())


class KillsWhenAsked:
    """A channel that kills once the request is on its way, so many times."""

    times = 0

    def __init__(self, inner: Any, act: Callable[[], None]) -> None:
        self._inner = inner
        self._act = act

    def send(self, data: bytes, deadline: float) -> None:
        self._inner.send(data, deadline)
        if KillsWhenAsked.times:
            KillsWhenAsked.times -= 1
            self._act()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def killing(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """`killing(n, which)`: kills the zygote in the middle of each of the next n requests."""
    real: Callable[..., Worker] = Crew.worker

    def arrange(times: int, which: int = 0) -> None:
        def worker(self: Crew, *arguments: Any, **options: Any) -> Worker:
            made = real(self, *arguments, **options)
            made._channel = KillsWhenAsked(made._channel, lambda: kill(self, which))
            return made

        KillsWhenAsked.times = times
        monkeypatch.setattr(Crew, "worker", worker)

    return arrange


@pytest.mark.parametrize("which", [0, -1], ids=["the process that was started", "the process that forks"])
def test_killed_between_two_requests(crew: Crew, student: Open, which: int) -> None:
    ada = student()
    assert doubled(ada) == [2, 4]
    kill(crew, which)
    assert doubled(ada) == [2, 4]
    assert ada.close() == "run\n"


@pytest.mark.parametrize(("times", "which"), [(1, 0), (2, -1)], ids=["while it reads", "twice"])
def test_killed_while_a_worker_runs(
    crew: Crew, student: Open, killing: Callable[[int, int], None], times: int, which: int
) -> None:
    killing(times, which)
    ada = student()
    assert doubled(ada) == [2, 4]
    assert ada.close() == "run\n"


def test_killed_while_a_layer_runs(crew: Crew, student: Open, killing: Callable[[int], None]) -> None:
    killing(0)
    ada = student()
    assert doubled(ada) == [2, 4]
    KillsWhenAsked.times = 1
    assert doubled(ada) == [2, 4]


def test_killed_before_it_forks(crew: Crew) -> None:
    kill(crew)
    worker = crew.worker(ALLOWANCE)
    worker.ask(load_request(TAKES_A_MOMENT), 20)
    assert worker.ask(run_request(torch.ones(1)), 20).tensors["output"].item() == 2
    worker.end()


class Control:
    """A control socket that kills the zygote with the request for a worker in its hands."""

    def __init__(self, inner: socket.socket, act: Callable[[], None]) -> None:
        self._inner = inner
        self._act = act

    def sendmsg(self, *arguments: Any) -> None:
        self._inner.sendmsg(*arguments)
        self._act()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_killed_while_it_forks(crew: Crew, student: Open) -> None:
    crew.worker(ALLOWANCE).end()
    zygote = crew._zygotes[PLAIN]
    zygote._control = Control(zygote._control, lambda: kill(crew))  # type: ignore[assignment]  # one of its kind
    assert doubled(student()) == [2, 4]


def test_killed_when_nothing_is_left_to_ask(crew: Crew, student: Open) -> None:
    ada = student()
    doubled(ada)
    kill(crew)
    assert ada.close() == "run\n"


def test_a_zygote_that_dies_again_and_again_is_our_fault(
    crew: Crew, student: Open, killing: Callable[[int], None]
) -> None:
    killing(MOST_LOSSES)
    ada = student()
    said = f"the worker was lost {MOST_LOSSES} times without an answer in between, .* grade again"
    with pytest.raises(WorkerLost, match=said):
        doubled(ada)
    dead = crew.pids[PLAIN]
    with pytest.raises(WorkerLost, match=said):
        doubled(ada)
    assert crew.pids[PLAIN] == dead, "what is given up is not tried again"
    assert doubled(student()) == [2, 4]


def test_answers_in_between_keep_up_the_patience() -> None:
    patience, left = Patience(), iter([WorkerLost("1"), WorkerLost("2"), 3, WorkerLost("4"), WorkerLost("5"), 6])

    def ask() -> int:
        answer = next(left)
        if isinstance(answer, WorkerLost):
            raise answer
        return answer

    assert [patience.answered(ask), patience.answered(ask)] == [3, 6]


def test_a_students_own_end_is_no_loss_and_is_not_asked_again(crew: Crew, student: Open) -> None:
    ada = student("import os\ndef double(x):\n    os.write(1, b'once')\n    os._exit(3)\n")
    for _ in range(2):
        with pytest.raises(Unanswered) as caught:
            doubled(ada)
        assert caught.value.verdict is Verdict.CRASHED
    assert ada.close() == "once"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import torch\n", PLAIN),
        ("import torchvision\n", WITH_VISION),
        ("import torch, torchvision.transforms as T\n", WITH_VISION),
        ("    from torchvision import datasets\n", WITH_VISION),
        ('{"source": ["import torch\\n", "import torchvision"]}', WITH_VISION),
        ("# torchvision is not needed\nimport torch\n", PLAIN),
        ("import mytorchvision\n", PLAIN),
    ],
)
def test_torchvision_is_there_beforehand_only_for_who_imports_it(text: str, wanted: tuple[str, ...]) -> None:
    assert prelude([b"x = 1\n", text.encode()]) == wanted


def test_a_submission_of_imports_alone_is_looked_through_at_once() -> None:
    assert prelude([b"import " * 150_000]) == PLAIN


def test_the_second_zygote_is_started_when_it_is_first_needed(crew: Crew) -> None:
    loaded = "import sys\nloaded = 'torchvision' in sys.modules\ndef double(x):\n    return x * 0 + loaded\n"
    assert WITH_VISION not in crew.pids
    for modules, there in ((PLAIN, 0), (WITH_VISION, 1)):
        worker = crew.worker(ALLOWANCE, modules)
        worker.ask(load_request(loaded), 20)
        assert worker.ask(run_request(torch.ones(1)), 20).tensors["output"].item() == there
        worker.end()


def test_a_class_starts_the_zygotes_that_it_needs_and_no_other(tmp_path: Path):
    plain, vision = (submission("a", f"import {name}\n") for name in ("torch", "torchvision"))
    assert preludes([plain, vision]) == (PLAIN, WITH_VISION)
    assert (preludes([vision]), preludes([])) == ((WITH_VISION,), (PLAIN,))
    with contextlib.closing(crew_for_layers(tmp_path, first=preludes([vision])[0])) as started:
        assert list(started.pids) == [WITH_VISION]
