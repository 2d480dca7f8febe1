from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from grader import batch
from grader.batch import Event
from grader.engines import Job, Message, Where, cargo, node, opened
from grader.engines.cargo import Hold
from grader.engines.local import Local
from grader.errors import GraderError, UsageError
from grader.model import Scorecard, Submission, Verdict
from grader.plan import Plan
from tests.tiny import RIGHT, WRONG, Tiny, submission

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
CLASS = [submission("ada", RIGHT), submission("bob", WRONG)]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """An assignment, and a temporary folder and a cache of this test's alone."""
    for name in ("TMPDIR", "TORCHGRADER_CACHE"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return Tiny(tmp_path / "tiny").write()


def plan_of(tiny: Tiny) -> Plan:
    return Plan(str(tiny.assignment), str(tiny.reference), None, "cpu", "quick", 1, None, train=False)


def job_of(tiny: Tiny) -> Job:
    return Job("0", plan_of(tiny), tuple(CLASS), {})


def said(shipped: cargo.Cargo, hold: Hold) -> list[Message]:
    return list(node.work(shipped, hold.contents.__getitem__))


def job_folders(tiny: Tiny) -> list[Path]:
    return list((tiny.folder.parent / "TMPDIR").glob("torchgrader.job*"))


def test_equal_folders_have_equal_digests_wherever_they_are(tmp_path: Path):
    one, other = (Tiny(tmp_path / name).write() for name in ("one", "other"))
    assert cargo.pack(one.assignment) == cargo.pack(other.assignment)
    (other.assignment / "checks" / "more.py").touch()
    assert cargo.pack(one.assignment) != cargo.pack(other.assignment)


def test_neither_the_handout_nor_the_interpreters_files_travel(tiny: Tiny):
    before = cargo.pack(tiny.assignment)
    for name in ("handout", "checks/__pycache__"):
        (tiny.assignment / name).mkdir()
        (tiny.assignment / name / "file.py").touch()
    assert cargo.pack(tiny.assignment) == before


def test_what_was_unpacked_is_nobody_elses_to_read(tiny: Tiny, tmp_path: Path):
    hold = Hold()
    digest = hold.load(job_of(tiny)).reference
    assert digest
    folder = tmp_path / "there"
    cargo.unpack(hold.contents[digest], digest, folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "q1_double.py").read_bytes() == (tiny.reference / "q1_double.py").read_bytes()


def test_content_that_changed_on_its_way_is_refused(tiny: Tiny, tmp_path: Path):
    packed = cargo.pack(tiny.reference)
    with pytest.raises(GraderError, match="came over changed"):
        cargo.unpack(packed + b"x", Hold().load(job_of(tiny)).reference or "", tmp_path / "there")


def test_a_data_file_is_fetched_once_by_each_machine(tiny: Tiny):
    (tiny.folder / "images").write_bytes(b"pictures")
    hold, asked = Hold(), []
    digest = hold.load(replace(job_of(tiny), plan=replace(plan_of(tiny), data=str(tiny.folder / "images")))).data or ""

    def fetch(wanted: str) -> bytes:
        asked.append(wanted)
        return hold.contents[wanted]

    paths = {cargo.keep_data(digest, fetch) for _ in range(2)}
    assert [Path(p).read_bytes() for p in paths] == [b"pictures"]
    assert asked == [digest]


@pytest.mark.slow
@linux
def test_a_job_done_from_its_content_alone_leaves_nothing_behind(tiny: Tiny):
    hold = Hold()
    shipped = hold.load(job_of(tiny))
    for folder in (tiny.assignment, tiny.reference):
        folder.rename(folder.with_name(f"moved-{folder.name}"))
    messages = said(shipped, hold)
    cards = [Scorecard.model_validate_json(m["scorecard"]) for m in messages if m["event"] == "finished"]
    assert [c.summary for c in cards] == ["4 of 4", "0 of 4"]
    assert messages[-1]["event"] == "done"
    assert job_folders(tiny) == []


@pytest.mark.slow
@linux
def test_a_job_that_is_given_up_halfway_leaves_nothing_behind(tiny: Tiny):
    hold = Hold()
    with closing(node.work(hold.load(job_of(tiny)), hold.contents.__getitem__)) as messages:
        assert next(messages)["event"] == "ready"
        assert len(job_folders(tiny)) == 1
    assert job_folders(tiny) == []


@pytest.mark.slow
@linux
@pytest.mark.parametrize("how", ["pthread_sigmask(signal.SIG_BLOCK, {2})", "signal(2, signal.SIG_IGN)"])
def test_a_judges_keeper_ends_with_its_caller_where_interrupts_are_shut_out_as_rays_workers_have_them(how: str):
    code = f"import signal, threading; signal.{how}; from grader.engines import node\n"
    code += "try:\n    node._end_with_caller()\n    threading.Event().wait()\nexcept KeyboardInterrupt: print('ended')"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "ended\n"


@pytest.mark.slow
@linux
def test_a_machine_that_would_grade_otherwise_is_refused_by_name(tiny: Tiny):
    hold = Hold()
    shipped = replace(hold.load(job_of(tiny)), versions=(("torch", "0.0.1"),))
    error, end = said(shipped, hold)
    assert error["type"] == "UsageError"
    assert os.uname().nodename in error["text"]
    assert "instead of 0.0.1" in error["text"]
    assert end["event"] == "done"


class Losing(Local):
    """Loses the machine of its first so many judges, right after they have begun somebody."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        for job in jobs:
            if self.times:
                self.times -= 1
                yield job.key, {"event": "began", "student_id": job.submissions[0].student_id}
                yield job.key, {"event": "gone", "text": "the power failed"}
            else:
                yield from super().run([job])


def graded(tiny: Tiny, engine: Local) -> tuple[dict[str, Scorecard], list[str]]:
    cards: dict[str, Scorecard] = {}
    notes: list[str] = []

    def watch(event: Event) -> None:
        notes.extend([event.text] if event.kind == "note" else [])

    def take(card: Scorecard) -> None:
        cards[card.student_id] = card

    with engine:
        batch.grade(plan_of(tiny), tiny.load(), CLASS, watch, take, engine=engine)
    return cards, notes


@pytest.mark.slow
@linux
def test_what_a_lost_machine_had_not_finished_is_graded_elsewhere(tiny: Tiny):
    cards, notes = graded(tiny, Losing(1))
    assert {i: c.summary for i, c in cards.items()} == {"ada": "4 of 4", "bob": "0 of 4"}
    assert notes == ["the power failed; 2 of its submissions are graded again elsewhere"]


@pytest.mark.slow
@linux
def test_who_is_there_whenever_a_machine_is_lost_is_internal_in_the_end(tiny: Tiny):
    cards, _ = graded(tiny, Losing(batch.MOST_GONE))
    assert {c.verdict for card in cards.values() for c in card.checks} == {Verdict.INTERNAL}
    assert cards["ada"].notes == ("the power failed",)


@pytest.mark.parametrize(
    ("where", "phrase"),
    [
        (Where("ray", "127.0.0.1:1"), "nothing answers at 127.0.0.1:1"),
        (Where("ray", "ray://host:10001"), "wanted host:port"),
        (Where("slurm", "host:1"), "leave it out"),
    ],
    ids=["nobody there", "no address", "an address for slurm"],
)
def test_a_cluster_that_cannot_be_used_is_refused_at_once(where: Where, phrase: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(UsageError, match=phrase), opened(where, 1):
        pytest.fail("it was opened")


def submissions(count: int) -> list[Submission]:
    return [submission(f"s{n}", RIGHT) for n in range(count)]


def test_what_slurm_says_when_it_takes_no_job_is_passed_on(tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    sbatch = tiny.folder.parent / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: nope' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(sbatch.parent), prepend=os.pathsep)
    refused = pytest.raises(UsageError, match=r"Slurm takes no job \(invalid partition specified: nope\)")
    with opened(Where("slurm"), 1) as engine, closing(engine.run([job_of(tiny)])) as messages, refused:
        next(messages)
    assert not list((tiny.folder.parent / "TORCHGRADER_CACHE").iterdir())


def test_slurm_gets_shares_of_about_equal_size():
    from grader.engines.slurm import Slurm

    shares = Slurm("local", 1, gpu=False).shares(submissions(51))
    assert [len(s) for s in shares] == [17, 17, 17]
    assert len({s.student_id for share in shares for s in share}) == 51
