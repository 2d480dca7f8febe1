"""The control arm: what an attack achieves where nothing stands in its way. Each arm says whether it got through."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import torch

from grader import assignment
from grader.assignment import Limits
from grader.doctor.attack import processes
from grader.doctor.hostile import Case, accomplice, handed_in, one_file
from grader.doctor.stage import SECRET_VARIABLE, Stage
from grader.errors import WorkerLost
from grader.model import Scorecard, Submission, Verdict
from grader.processes.crew import Crew, Source
from grader.processes.origin import Zygote
from grader.processes.process import Allowance, Unanswered, Worker
from grader.report.table import FORMULA
from grader.student import Student

INPUT = torch.tensor([-1.0, 2.0])
CLASSIC = Path(__file__).with_name("classic_grader.py")
CHECK = """
import random

from submission import relu


def test_relu():
    x = random.uniform(-2, -1)
    assert relu(x) == max(x, 0)
"""


class Range:
    """Where attacks are let loose: a zygote without walls, a stage, and a bystander who stands for the judge."""

    def __init__(self, stage: Stage, scratch: Path) -> None:
        self.stage = stage
        self.scratch = scratch
        self.crew = Crew(scratch, start=lambda modules: Zygote(scratch, modules, networks=False))
        limits = Limits(wall_seconds=30, memory_mib=2048, output_kib=4)
        spec = assignment.load(stage.folder / "assignment")
        self._assignment = spec.model_copy(update={"limits": limits})
        self._own = processes(scratch.parent)
        self._tries = 0

    @contextlib.contextmanager
    def bystander(self) -> Iterator[None]:
        """A process that an attack may read, trace and kill, with the stage set up anew."""
        self.stage.furnish()
        environment = {SECRET_VARIABLE: "a token"}
        with subprocess.Popen(["sleep", "100"], env=environment, start_new_session=True) as process:
            self.stage.places["JUDGE"] = str(process.pid)
            try:
                yield
            finally:
                process.kill()

    def workshop(self) -> Path:
        """A new name for a folder."""
        self._tries += 1
        return self.scratch.parent / f"workshop{self._tries}"

    def answer(self, submission: Submission, source: Source | None = None) -> tuple[float, str]:
        """The first number of a submission's answer, and what it printed. Raises `Unanswered`."""
        student = Student(submission, self._assignment, source or self.crew)
        try:
            number = float(student.run("relu", INPUT).flatten()[0])
        finally:
            printed = student.close()
        return number, printed

    def achieved(self, submission: Submission) -> float:
        """What a submission adds to its honest answer, which begins with 0."""
        return self.answer(submission)[0]

    def survivors(self) -> set[int]:
        """The processes that attacks have left behind."""
        return processes(self.scratch.parent) - self._own

    def close(self) -> None:
        """End them, and the zygote."""
        for pid in self.survivors():
            os.kill(pid, 9)
        self.crew.close()


def worker(case: Case, place: Range) -> float:
    """In a worker without walls; another student's first, where it takes two."""
    with place.bystander():
        first = accomplice(case, place.stage)
        if first:
            place.achieved(first)
        return place.achieved(handed_in(case, place.stage, place.workshop()))


def death(case: Case, place: Range) -> bool:
    """The process that runs it dies, and so does a grader that is that process."""
    try:
        place.achieved(handed_in(case, place.stage, place.workshop()))
    except Unanswered as e:
        return e.verdict is Verdict.CRASHED
    return False


def lost(case: Case, place: Range) -> bool:
    """The process that all workers come from dies, here one that nobody starts again."""
    zygote = Zygote(place.scratch, networks=False)
    with contextlib.closing(zygote):
        with contextlib.suppress(WorkerLost):
            place.answer(handed_in(case, place.stage, place.workshop()), Once(zygote))
        return not zygote.alive


class Once:
    """Workers of one zygote."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self.close = zygote.close

    def worker(self, allowance: Allowance, *_: object, **__: object) -> Worker:  # as any source
        """A fresh one."""
        return self._zygote.worker(allowance)


def classic(case: Case, place: Range) -> bool:
    """A grader of one process gives it what it has not earned."""
    (file,) = handed_in(case, place.stage, place.workshop()).files
    return place.achieved(graded_classically(file.data.decode(), place)) > 0


def graded_classically(text: str, place: Range) -> Submission:
    """A grader of one process as a submission: it adds to its answer when it is fooled by `text`."""
    grader = place.stage.filled(CLASSIC.read_text()).replace('"$HANDED_IN"', repr(text))
    return one_file("classic", grader)


def stdout(case: Case, place: Range) -> bool:
    """The last line that it prints is a result."""
    _, printed = place.answer(handed_in(case, place.stage, place.workshop()))
    return bool(json.loads(printed.splitlines()[-1])["score"] == 100)


def under_pytest(case: Case, place: Range) -> bool:
    """pytest in the folder that was handed in ends with success."""
    folder = place.workshop()
    script = case.folder / "build.py"
    folder.mkdir()
    if script.is_file():
        built(case, place.stage, folder)
    else:
        (folder / "submission.py").write_text((case.folder / "submission.py").read_text())
    return pytest_passes(folder)


def pytest_passes(folder: Path) -> bool:
    """Whether a test of `relu` passes there, by the exit code."""
    (folder / "test_relu.py").write_text(CHECK)
    environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_relu.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode == 0


def built(case: Case, stage: Stage, folder: Path) -> Path:
    """What the case's build.py makes, before intake has seen it."""
    space: dict[str, Callable[..., str]] = {}
    exec((case.folder / "build.py").read_text(), space)  # noqa: S102  # our own
    return Path(space["build"](folder, stage.places))


def unpack(case: Case, place: Range) -> bool:
    """Whoever unpacks it by the names in it, or reads whatever is there, writes outside, reads a secret, or drowns."""
    folder = place.workshop()
    (folder / "made").mkdir(parents=True)
    path = built(case, place.stage, folder / "made")
    target = path if path.is_dir() else folder / "students"
    outside = [p for p in ([] if path.is_dir() else extracted(path, target)) if not inside(p, target)]
    files = [Path(at) / name for at, _, names in os.walk(target, followlinks=True) for name in names]
    read = b"".join(p.read_bytes() for p in files)
    secret = any(s.encode() in read for s in place.stage.secrets.values())
    drowned = path.is_file() and len(read) > 100 * path.stat().st_size
    for p in outside:
        p.unlink()
    return bool(outside) or secret or drowned


def loaded(case: Case, place: Range) -> bool:
    """Whoever loads the network that was handed in runs its code."""
    folder = place.workshop()
    folder.mkdir()
    (model,) = built(case, place.stage, folder).rglob("*.pt2")
    code = "import sys, torch; torch.export.load(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True)
    mark = Path(place.stage.places["MARK"])
    left = list(mark.iterdir())
    for path in left:
        path.unlink()
    return bool(left)


def extracted(path: Path, target: Path) -> list[Path]:
    """Unpack a zip as it says."""
    written = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            at = Path(os.path.normpath(target / member.filename))
            at.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(member.external_attr >> 16):
                at.symlink_to(archive.read(member).decode())
            else:
                at.write_bytes(archive.read(member))
                written.append(at)
    return written


def inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


class _Page(HTMLParser):
    """Counts what acts in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "img", "body", "iframe", "object", "embed", "base", "meta", "link", "form"):
            self.found[tag] += 1
        for name, value in attrs:
            if name.startswith("on") or (value or "").lstrip().lower().startswith("javascript:"):
                self.found[name] += 1


def active(html: str) -> Counter[str]:
    """What in a page, or in a terminal, does something."""
    page = _Page()
    page.feed(html)
    obeyed = re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    return page.found + Counter({"obeyed": len(obeyed)})


def page(card: Scorecard) -> bool:
    """A page that shows a scorecard's texts as they are does something."""
    return bool(active("\n".join([card.student_id, card.output, *(c.message for c in card.checks)])))


def path(card: Scorecard) -> bool:
    """A page that is named as the student lies outside."""
    return not inside(Path("out") / f"{card.student_id}.html", Path("out"))


def sheet(card: Scorecard) -> bool:
    """A cell with the student's name is a formula."""
    return card.student_id.startswith(FORMULA)


TRIED: dict[str, Callable[[Case, Range], float]] = {
    "worker": worker,
    "death": death,
    "lost": lost,
    "classic": classic,
    "stdout": stdout,
    "pytest": under_pytest,
    "unpack": unpack,
    "loaded": loaded,
}
SHOWN: dict[str, Callable[[Scorecard], bool]] = {"page": page, "path": path, "sheet": sheet}
