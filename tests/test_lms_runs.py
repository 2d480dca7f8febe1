"""Each autograder once as its platform starts it, with a submission that attacks it; the rest of what can be handed in
is graded once for all of them, and each says it in its own form.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import assignment, batch
from grader.batch import Journal
from grader.commands import platforms
from grader.lms import autograder, capacity, packages
from grader.lms.autograders import AUTOGRADERS
from grader.model import Judged, Scorecard, Submission, Verdict
from grader.plan import Plan
from tests import interrupted
from tests.platforms import CANARY, PLACES, packed, started, unpacked, valid, with_canaries
from tests.tiny import RIGHT, WRONG, Tiny, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the sandbox")]

# Right where everybody can see, wrong where nobody can: so its points show that it was graded, and not by itself.
HOSTILE = """
import glob, json, sys
FAKES = [json.dumps({{"score": 1000, "tests": []}}), "Grade :=>> 10", "<|--", "--|>"]
FAKES.append(json.dumps({{"scores": {{"q1_double": 1000}}}}))
def double(x):
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        print(*FAKES, sep="\\n", file=stream, flush=True)
    for path in glob.glob({root!r} + "/**/*", recursive=True):
        try:
            print(open(path).read())
            open(path, "w").write(FAKES[0])
        except (OSError, ValueError):
            pass
    for path in ("results/results.json", "result.json", "result.txt", "validation_results.json", "vpl_work/result.txt"):
        try:
            open({root!r} + "/" + path, "w").write(FAKES[0])
        except OSError:
            pass
    return x * 2 if x.numel() == 1 else x * 3
"""
SUBMISSIONS = {"good": RIGHT, "bad": WRONG, "empty": ""}
POINTS = {"good": 4.0, "bad": 0.0, "empty": 0.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return with_canaries(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def graded(tiny: Tiny) -> dict[str, Scorecard]:
    """The scorecards of all that is handed in, really graded, by the text that was."""
    spec = tiny.load()
    plan = Plan(str(tiny.assignment), str(tiny.reference), None, "cpu", "quick", 1, None, train=False)
    handed_in = [submission(name, source) for name, source in SUBMISSIONS.items()]
    cards: list[Scorecard] = []
    batch.grade(plan, spec, handed_in, lambda _: None, cards.append, Journal())
    return {SUBMISSIONS[card.student_id]: card for card in cards}


@pytest.mark.parametrize("what", SUBMISSIONS)
@pytest.mark.parametrize("platform", PLACES)
def test_a_platform_is_told_the_points(
    tiny: Tiny, graded: dict[str, Scorecard], tmp_path: Path, platform: str, what: str
):
    place, root = PLACES[platform], tmp_path / "root"
    package = unpacked_engine(tiny, platform, tmp_path)
    (root / place.folder).mkdir(parents=True, exist_ok=True)
    if SUBMISSIONS[what]:
        (root / place.folder / "hw.py").write_text(SUBMISSIONS[what])
    autograder.run(AUTOGRADERS[platform], root, package, remembered(graded))
    points = min(POINTS[what], 1.0) if AUTOGRADERS[platform].public else POINTS[what]
    assert place.told(root, "") == points
    assert not [p for p in made(root, set(), place.package) if CANARY.encode() in p.read_bytes()]


@pytest.mark.parametrize("platform", PLACES)
def test_a_hostile_submission_gets_what_it_earned(tiny: Tiny, tmp_path: Path, platform: str):
    """Neither what it prints nor what it writes is a result, and it finds nothing hidden to print."""
    place, root = PLACES[platform], tmp_path / "root"
    source = HOSTILE.format(root=str(root))
    place.lay(packed(tiny, platform), root, source.encode())
    ours = {str(p) for p in root.rglob("*")}
    ran = started(place.command, root)
    assert place.told(root, ran.stdout) == 1.0, ran.stdout + ran.stderr
    assert CANARY not in ran.stdout + ran.stderr
    assert not [p for p in made(root, ours, place.package) if CANARY.encode() in p.read_bytes()]
    assert not (root / "data" / "data.json").exists()
    if platform == "gradescope":
        results = valid(json.loads((root / "results" / "results.json").read_text()))
        assert "Handed in 2:13:20 after the due date." in results["output"]
        assert [t["max_score"] for t in results["tests"]] == [1, 3, 7]


def test_our_deadline_comes_before_the_platforms(tmp_path: Path):
    tiny = Tiny(tmp_path / "tiny", wall_seconds=120).write()
    root = tmp_path / "autograder"
    package = unpacked(packed(tiny, "gradescope"), root / "source")
    kit = json.loads((package / "kit.json").read_text())
    (package / "kit.json").write_text(json.dumps({**kit, "seconds": 8.0}))
    (root / "submission").mkdir()
    (root / "submission" / "hw.py").write_text("def double(x):\n    while True:\n        pass\n")
    ran = started(("source/run_autograder",), root)
    results = valid(json.loads((root / "results" / "results.json").read_text()))
    assert "The time of 8 seconds was over" in results["output"], ran.stderr
    assert results["tests"][0]["status"] == "failed"


def test_in_a_small_container_a_network_learns_one_batch_and_its_accuracy_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Graded by the engine as it is there, with what the container says of its memory."""
    (tmp_path / "memory.max").write_text("1400000000")
    monkeypatch.setattr(capacity, "LIMITS", (tmp_path / "memory.max",))
    course = interrupted.Course(tmp_path / "course", networks=True).write()
    toml = course.folder / "assignment" / "assignment.toml"
    toml.write_text(toml.read_text().replace("cpu-full", "cpu-quick"))
    spec, root = assignment.load(course.folder / "assignment"), tmp_path / "autograder"
    made = packages.build(AUTOGRADERS["gradescope"], spec, course.folder / "reference")
    package = unpacked(zipfile.ZipFile(io.BytesIO(made)), root / "source")
    (root / "submission").mkdir()
    (root / "submission" / "hw.py").write_text("import torch\n" + interrupted.NETWORK.format(width=32))
    done = autograder.run(AUTOGRADERS["gradescope"], root, package, platforms.grade)
    assert done.faults == []
    verdicts = {c.id: c.verdict for q in done.card.questions if q.id == "q4_net" for c in q.checks}
    assert verdicts == {"test_learns": Verdict.PASSED, "test_accuracy": Verdict.UNGRADED}
    assert valid(json.loads((root / "results" / "results.json").read_text()))["score"] == 1


def unpacked_engine(tiny: Tiny, platform: str, folder: Path) -> Path:
    """The package as the platform's own script lays it out; a checkout has it inside."""
    if platform == "classroom50":
        return unpacked(packed(tiny, platform), folder / "root") / "autograder"
    unpacked(packed(tiny, platform), folder / "package")
    for tar in (folder / "package").rglob("*.tar"):
        subprocess.run(["tar", "xf", tar, "-C", folder / "package"], check=True)
    return next((folder / "package").rglob("kit.json")).parent


def remembered(graded: dict[str, Scorecard]) -> Callable[..., Scorecard]:
    """Grades as it was graded before."""

    def grade(_plan: object, _spec: object, handed_in: Submission, keep: Callable[[Judged], None]) -> Scorecard:
        card = graded["".join(f.data.decode() for f in handed_in.files)]
        keep(Judged(question=card.questions[0]))
        return card

    return grade


def made(root: Path, before: set[str], package: str) -> list[Path]:
    """The files that are new or that a platform may show: not those of the package and not what was handed in."""
    inside = root / package
    files = [p for p in root.rglob("*") if p.is_file() and not p.is_relative_to(inside)]
    return [p for p in files if str(p) not in before or p.suffix in (".json", ".txt", ".log", ".md")]
