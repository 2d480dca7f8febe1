from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from grader.errors import WorkerLost
from grader.model import Verdict
from grader.processes.interpreter import Fresh
from grader.processes.life import Death, FreshLife
from grader.processes.origin import Zygote, clean_environment
from grader.processes.process import Allowance, Unanswered, Worker, end_of
from grader.sandbox.plain import CHANNEL
from tests.interrupted import ends
from tests.tiny import RIGHT, load_request, run_request

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

ALLOWANCE = Allowance(memory_bytes=2 << 30, output_bytes=1 << 10, cpu_seconds=60)
ROOT = Path(__file__).resolve().parent.parent
SECRET = "TORCHGRADER_TEST_SECRET"  # noqa: S105  # the name of a variable, in no file


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, "token")
        started = Zygote(tmp_path_factory.mktemp("workers"), networks=False)
    yield started
    started.close()


@pytest.fixture
def worker(zygote: Zygote) -> Iterator[Worker]:
    started = zygote.worker(ALLOWANCE)
    yield started
    if started.alive:
        started.end()


def death_of(worker: Worker, source: str, wall_seconds: float = 20) -> Unanswered:
    """How asking for `double` of 1 ends when it does not end well."""
    worker.ask(load_request(source), 20)
    with pytest.raises(Unanswered) as caught:
        worker.ask(run_request(torch.ones(1)), wall_seconds)
    assert not worker.alive
    return caught.value


def inside(*lines: str) -> str:
    """A `double` that runs these lines when it is called."""
    return "def double(x):\n" + "".join(f"    {line}\n" for line in lines) + "    return x\n"


def test_a_worker_says_ready_and_answers(worker: Worker):
    assert worker.ready.kind == "ready"
    loaded = worker.ask(load_request(RIGHT), 20)
    assert loaded.body["questions"]["q1_double"]["names"]["double"]["state"] == "found"
    assert worker.ask(run_request(torch.ones(3)), 20).tensors["output"].tolist() == [2, 2, 2]


def test_what_a_function_draws_follows_from_the_seed_of_its_request(worker: Worker):
    worker.ask(load_request("import torch\ndef double(x):\n    return torch.rand(3)\n"), 20)
    request = run_request(torch.ones(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.body["seed"])
        expected = torch.rand(3)
    assert all(torch.equal(worker.ask(request, 20).tensors["output"], expected) for _ in range(2))


def test_nothing_is_left_of_what_the_zygote_rehearsed(worker: Worker):
    worker.ask(load_request(inside("import rehearsal")), 20)
    reply = worker.ask(run_request(torch.ones(1)), 20)
    assert (reply.kind, reply.body["type"]) == ("raised", "ModuleNotFoundError")


def test_a_second_worker_knows_nothing_of_the_first(zygote: Zygote):
    for value in (1, 2):
        worker = zygote.worker(ALLOWANCE)
        body = inside(
            "import builtins", f"x[0] = getattr(builtins, 'left_behind', {value})", "builtins.left_behind = 9"
        )
        worker.ask(load_request(body), 20)
        assert worker.ask(run_request(torch.zeros(1)), 20).tensors["output"].item() == value
        worker.end()


@pytest.mark.parametrize(
    "error", ["ValueError('no')", "SystemExit(0)", "KeyboardInterrupt()", "RecursionError('deep')"]
)
def test_what_student_code_raises_is_a_reply_and_the_worker_goes_on(worker: Worker, error: str):
    worker.ask(load_request(inside("if x.sum() == 1:", f"    raise {error}")), 20)
    reply = worker.ask(run_request(torch.ones(1)), 20)
    assert (reply.kind, reply.body["type"]) == ("raised", error.partition("(")[0])
    assert reply.body["where"] == "submission.py, line 3"
    assert worker.ask(run_request(torch.zeros(1)), 20).kind == "output"


def test_an_endless_loop_is_stopped_within_its_limit_and_two_seconds(worker: Worker):
    began = time.monotonic()
    death = death_of(worker, inside("while True: pass"), wall_seconds=1)
    assert death.verdict is Verdict.TIMED_OUT
    assert "within 1 seconds" in str(death)
    assert time.monotonic() - began < 1 + 2


def test_a_worker_that_answers_a_byte_at_a_time_does_not_gain_time(worker: Worker):
    trickle = inside("import os, time", "while True:", "    os.write(3, b't')", "    time.sleep(0.2)")
    began = time.monotonic()
    assert death_of(worker, trickle, wall_seconds=1).verdict in (Verdict.TIMED_OUT, Verdict.FAILED)
    assert time.monotonic() - began < 1 + 2


def test_a_worker_that_ignores_signals_is_stopped_too(worker: Worker):
    stubborn = inside("import signal", "signal.signal(15, signal.SIG_IGN)", "while True: signal.pause()")
    assert death_of(worker, stubborn, wall_seconds=1).verdict is Verdict.TIMED_OUT


def test_what_a_worker_started_dies_with_it(worker: Worker):
    """A child that holds the channel and the log keeps nobody waiting."""
    tell = "os.write(1, b'%d' % pid)"
    source = inside("import os, time", "pid = os.fork()", "if pid == 0: time.sleep(600)", tell, "os._exit(3)")
    assert death_of(worker, source).verdict is Verdict.CRASHED
    assert ends(int(worker.output))


def test_an_exit_is_a_crash_that_names_its_code(worker: Worker):
    death = death_of(worker, inside("import os", "os._exit(7)"))
    assert (death.verdict, "exit code 7" in str(death)) == (Verdict.CRASHED, True)


def test_a_signal_is_a_crash_that_names_it(worker: Worker):
    death = death_of(worker, inside("import ctypes", "ctypes.string_at(0)"))
    assert (death.verdict, "SIGSEGV" in str(death)) == (Verdict.CRASHED, True)


def test_memory_past_the_limit_is_refused_inside_and_the_worker_goes_on(worker: Worker):
    worker.ask(load_request(inside("if x.sum() == 1:", "    x = x.new_ones(1 << 30)")), 20)
    reply = worker.ask(run_request(torch.ones(1)), 20)
    assert (reply.kind, "allocate memory" in reply.body["message"]) == ("raised", True)
    assert worker.ask(run_request(torch.zeros(1)), 20).kind == "output"


def test_a_flood_of_output_is_capped_and_stops_nobody(worker: Worker):
    worker.ask(load_request(inside("for _ in range(20000): print('x' * 99)")), 20)
    assert worker.ask(run_request(torch.ones(1)), 20).kind == "output"
    worker.end()
    assert worker.output == ("x" * 99 + "\n") * 10 + "x" * 24 + "\n[output cut at 1 KiB]"


def test_the_end_of_a_worker_that_has_much_to_say_after_it_cut_its_connection_is_seen(worker: Worker):
    flood = inside("import os", f"os.close({CHANNEL})", "os.write(1, b'x' * (1 << 20))", "os._exit(7)")
    lost = death_of(worker, flood)
    assert (lost.verdict, "exit code 7" in str(lost)) == (Verdict.CRASHED, True)


def test_what_is_printed_is_kept_when_the_process_dies(worker: Worker):
    death_of(worker, inside("import os", "os.write(1, b'out ')", "os.write(2, b'err \\xff')", "os._exit(1)"))
    assert worker.output == "out err \ufffd"


def test_a_forged_answer_that_is_no_message_is_a_failure_and_not_a_fault_of_ours(worker: Worker):
    death = death_of(worker, inside("import os", "os.write(3, b'PASSED' * 10)"))
    assert (death.verdict, "could not be read" in str(death)) == (Verdict.FAILED, True)


def test_a_dead_worker_is_not_asked(worker: Worker):
    worker.end()
    with pytest.raises(WorkerLost):
        worker.ask(load_request(RIGHT), 1)


def test_the_environment_is_the_clean_one_and_nothing_else(zygote: Zygote, worker: Worker):
    wanted = clean_environment(Path("/nowhere"))
    assert SECRET not in wanted
    started_with = Path(f"/proc/{zygote.pid}/environ").read_bytes()
    assert b"token" not in started_with
    worker.ask(load_request(inside("import os", "print(*sorted(os.environ))")), 20)
    worker.ask(run_request(torch.ones(1)), 20)
    worker.end()
    set_by_python_and_torch = {"LC_CTYPE", "TORCHINDUCTOR_CACHE_DIR"}
    assert set(wanted) - {"LD_LIBRARY_PATH"} <= set(worker.output.split()) <= set(wanted) | set_by_python_and_torch


def test_a_worker_holds_its_four_descriptors_and_no_other(worker: Worker):
    worker.ask(load_request(inside("import os", "print(*sorted(os.listdir('/proc/self/fd'), key=int))")), 20)
    worker.ask(run_request(torch.ones(1)), 20)
    worker.end()
    listed = [int(fd) for fd in worker.output.split()]
    assert listed[:4] == [0, 1, 2, 3]
    assert len(listed) == 5, "the fifth is the listing's own"


def descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def state_of(pid: int) -> str:
    """What the kernel says of a process: R runs or would like to, S waits for something to do."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def descriptors_with_one_worker(zygote: Zygote) -> tuple[int, int]:
    """Ours and the zygote's; a worker that is ready shows that the zygote has done with those before it.

    With this one it may not have: it closes what it gave it while the worker gets ready. Then it sleeps.
    """
    worker = zygote.worker(ALLOWANCE)
    while state_of(zygote.pid) != "S":
        os.sched_yield()
    counts = descriptors("self"), descriptors(zygote.pid)
    worker.end()
    return counts


def test_worker_after_worker_leaves_no_descriptor_and_no_process(zygote: Zygote):
    before = descriptors_with_one_worker(zygote)
    for source in [RIGHT, "import os\ndouble = os._exit(1)"] * 5:
        worker = zygote.worker(ALLOWANCE)
        with contextlib.suppress(Unanswered):
            worker.ask(load_request(source), 20)
            worker.end()
    assert descriptors_with_one_worker(zygote) == before
    assert children_of(zygote.pid) == []


def test_a_worker_that_cannot_start_is_our_fault_and_leaves_nothing(zygote: Zygote):
    before = descriptors_with_one_worker(zygote)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zygote, "_scratch", Path("/nowhere"))
        with pytest.raises(WorkerLost, match="did not start"):
            zygote.worker(ALLOWANCE)
    assert descriptors_with_one_worker(zygote) == before


def test_the_death_of_the_zygote_is_our_fault(tmp_path: Path):
    zygote = Zygote(tmp_path, networks=False)
    worker = zygote.worker(ALLOWANCE)
    os.kill(zygote.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost):
        worker.end()
    with pytest.raises(WorkerLost):
        zygote.worker(ALLOWANCE)
    zygote.close()


def test_a_zygote_that_cannot_start_is_our_fault(tmp_path: Path):
    told = r"did not start: No module named 'no_such_module'\. .* install it there, not with `pip install --user`"
    with pytest.raises(WorkerLost, match=told):
        Zygote(tmp_path, prelude=("no_such_module",))


def test_closing_the_zygote_ends_its_workers(tmp_path: Path):
    zygote = Zygote(tmp_path, networks=False)
    worker = zygote.worker(ALLOWANCE)
    (pid,) = map(int, children_of(zygote.pid))
    zygote.close()
    with pytest.raises(WorkerLost):
        worker.end()
    assert ends(pid)


def test_a_fresh_interpreter_answers_is_timed_and_dies_alike(tmp_path: Path):
    worker = Fresh(tmp_path).worker(ALLOWANCE)
    worker.ask(load_request(inside("if x.sum() == 0: print('hello')", "while x.sum() == 1: pass")), 20)
    assert worker.ask(run_request(torch.zeros(2)), 20).tensors["output"].tolist() == [0, 0]
    began = time.monotonic()
    with pytest.raises(Unanswered) as caught:
        worker.ask(run_request(torch.ones(1)), 1)
    assert caught.value.verdict is Verdict.TIMED_OUT
    assert time.monotonic() - began < 1 + 2
    assert worker.output == "hello\n"


def test_the_fresh_interpreter_that_got_warm_for_nothing_ends(tmp_path: Path):
    source = Fresh(tmp_path, expected=1)
    assert source._next is not None
    waiting = source._next._process
    source.close()
    assert waiting.returncode is not None
    assert source._next is None


JUDGE = """
import sys, torch
from pathlib import Path
from grader.processes.interpreter import Fresh
from tests.test_process import ALLOWANCE
from tests.tiny import load_request, run_request
worker = Fresh(Path(sys.argv[1])).worker(ALLOWANCE)
print(worker._life._process.pid, flush=True)
worker.ask(load_request(sys.argv[2]), 60)
worker.ask(run_request(torch.ones(1)), 60)
"""


def test_a_fresh_interpreter_ends_with_its_judge_even_in_an_endless_loop(tmp_path: Path):
    os.mkfifo(tmp_path / "looping")
    loop = inside("open('looping', 'w').close()", "while True: pass")
    judge = subprocess.Popen([sys.executable, "-c", JUDGE, tmp_path, loop], cwd=ROOT, stdout=subprocess.PIPE)
    with judge:
        pid = int((judge.stdout or []).readline())
        (tmp_path / "looping").read_bytes()  # there as soon as the loop begins
        judge.kill()
    assert ends(pid)


def test_the_memory_of_who_started_an_interpreter_is_not_counted_as_its_own(tmp_path: Path):
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with (tmp_path / "log").open("w+b") as log:
        process = subprocess.Popen([sys.executable, "-c", "pass"], stdout=log, stderr=log)
        assert FreshLife(process, log, 100).wait().memory_bytes < ours


def test_a_fresh_interpreter_that_exits_is_a_crash_and_leaves_no_descriptor(tmp_path: Path):
    before = descriptors("self")
    worker = Fresh(tmp_path).worker(ALLOWANCE)
    assert "exit code 7" in str(death_of(worker, inside("import os", "os._exit(7)")))
    del worker
    assert descriptors("self") == before


@pytest.mark.parametrize(
    ("death", "verdict", "says"),
    [
        (
            Death(0, signal.SIGKILL, 300 << 20, 60.2),
            Verdict.TIMED_OUT,
            "60 CPU seconds: it was stopped at 60.2",
        ),
        (Death(0, signal.SIGXCPU, 300 << 20, 60.0), Verdict.TIMED_OUT, "more than 60 CPU seconds"),
        (Death(0, signal.SIGKILL, 2100 << 20, 1.0), Verdict.OUT_OF_MEMORY, "held 2100 MiB .* the limit is 2048 MiB"),
        (Death(0, signal.SIGSEGV, 300 << 20, 1.0), Verdict.CRASHED, "on signal SIGSEGV"),
        (Death(signal.SIGABRT, 0, 300 << 20, 1.0), Verdict.CRASHED, "on signal SIGABRT"),
        (Death(0, 99, 300 << 20, 1.0), Verdict.CRASHED, "on signal 99"),
        (Death(3, 0, 300 << 20, 1.0), Verdict.CRASHED, "exit code 3"),
    ],
)
def test_an_end_names_the_limit_that_was_passed_and_by_how_much(death: Death, verdict: Verdict, says: str):
    why = end_of(death, ALLOWANCE)
    assert why.verdict is verdict
    assert re.search(says, str(why))


def test_a_fresh_interpreter_that_used_up_its_processor_time_is_not_out_of_memory():
    code = "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    with tempfile.TemporaryFile() as log:
        death = FreshLife(subprocess.Popen([sys.executable, "-c", code], start_new_session=True), log, 100).wait()
    assert death.signal in (signal.SIGKILL, signal.SIGXCPU)
    assert end_of(death, Allowance(2 << 30, 100, cpu_seconds=1)).verdict is Verdict.TIMED_OUT


def test_a_name_that_was_not_bound_is_told_by_what_its_own_statement_raised(worker: Worker):
    worker.ask(load_request("N = int('x')\nM = N + 1\ndef double(x):\n    return x * M\n"), 20)
    reply = worker.ask(run_request(torch.ones(1)), 20)
    assert (reply.kind, reply.body["type"], reply.body["where"]) == ("raised", "ValueError", "submission.py, line 1")
