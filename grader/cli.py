"""The commands. Each is a short list of steps and returns an exit code.

0 all graded · 1 some INTERNAL · 2 expected and explained · 3 unexpected, with something to paste · 130 interrupted
"""

from __future__ import annotations

import os
import sys
import tempfile
import tomllib
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from grader import __version__, assignment, batch, console, content, doctor, intake, report, rubric
from grader.assignment import Assignment
from grader.errors import GraderError, UsageError
from grader.model import Gradebook, Scorecard, Submission
from grader.plan import Device, Plan, Speed

OK, SOME_INTERNAL, EXPLAINED, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
data_app = typer.Typer(no_args_is_help=True, help="Prepare the images that networks are trained on, or look at them.")
app.add_typer(data_app, name="data")

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

AssignmentOption = Annotated[
    str | None, typer.Option("-a", "--assignment", help="Name of an assignment that ships, or its folder.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="A file of `grader data prepare`; without it, drawn stand-in images.")
]
RecipeOption = Annotated[Speed, typer.Option("--recipe", help="How long networks are trained.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where networks are trained.")]
RequireOption = Annotated[
    int, typer.Option("--require-isolation", min=0, max=4, help="Grade nothing below this isolation level.")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-submissions", help="Run hidden checks even at level 1, which is no sandbox.")
]
LanguageOption = Annotated[Literal["en", "zh-TW"], typer.Option("--lang", help="Language of the pages.")]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Trainings at a time.", show_default="processors")]
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@app.command()
def grade(
    submissions: Annotated[Path, typer.Argument(help="A .py, an .ipynb, a folder of them or of students, or a zip.")],
    assignment_name: AssignmentOption = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Folder of the solutions and hidden checks.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where pages, scorecards and gradebook go.")] = Path(
        "reports/out"
    ),
    data: DataOption = None,
    recipe: RecipeOption = "full",
    device: DeviceOption = "auto",
    jobs: JobsOption = PROCESSORS,
    lang: LanguageOption = "en",
    require: RequireOption = 0,
    trust: TrustOption = False,
) -> int:
    """Grade a class: a folder of submissions in, scorecards and HTML pages out."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    solutions = _reference(reference, spec)
    handed_in = _collect(submissions)
    plan = replace(_plan(folder, solutions, data, recipe, device, jobs), require=require, trust=trust)
    return _grade_class(plan, spec, solutions, handed_in, output, lang)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Your submission: a .py or an .ipynb, or a folder of your files.")],
    assignment_name: AssignmentOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the page, into this folder.")] = None,
    lang: LanguageOption = "en",
    fresh: Annotated[bool, typer.Option("--fresh", help="No fork: a new interpreter for each question.")] = False,
) -> int:
    """Check your own work: the public checks only, and no answer is needed."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    if html:
        _make(html)
    mine = intake.collect(file)
    if len(mine) != 1:
        raise UsageError(f"{file} holds {len(mine)} submissions; give your own file or folder, or use `grader grade`.")
    plan = Plan(str(folder), None, None, "cpu", "quick", 1, None, fresh=fresh, train=False)
    cards = _run(plan, spec, mine, None)
    out.print(console.student_summary(cards[0]))
    for note in cards[0].notes:
        out.print(note, style="dim", soft_wrap=True)
    if html:
        out.print(f"Page: {report.write_scorecard(cards[0], html, title=spec.title, lang=lang)}", soft_wrap=True)
    passed = all(c.verdict == "PASSED" for c in cards[0].checks)
    return SOME_INTERNAL if _internal(cards) else OK if passed else EXPLAINED


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the pages go.")] = Path("reports/out/demo"),
    jobs: JobsOption = PROCESSORS,
) -> int:
    """Grade a bundled class of sample submissions on drawn stand-in images: real processes, real training."""
    folder = content.folder("assignments") / "cnn-cifar10"
    spec = assignment.load(folder)
    solutions = _reference(None, spec)
    handed_in = _samples()
    plan = _plan(folder, solutions, None, "quick", "auto", jobs)
    return _grade_class(plan, spec, solutions, handed_in, output)


@app.command("doctor")
def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: DataOption = None,
    attacked: Annotated[bool, typer.Option("--attack", help="Run the attack suite, each case for real.")] = False,
) -> int:
    """Say how safe grading is on this machine: every wall, tried; and torch, device, data and disk."""
    if attacked:
        return _attack()
    examined = doctor.examine(data)
    if as_json:
        typer.echo(examined.to_json())
    else:
        out.print(doctor.table(examined))
    return EXPLAINED if examined.status is doctor.Status.FAIL else OK


def _attack() -> int:
    """Attack a judge on this machine; nothing outside a temporary folder is touched."""
    from grader import attack  # torch comes with it

    results = attack.attack()
    out.print(console.attacks(results))
    return EXPLAINED if any(r.problems for r in results) else OK


@data_app.command("prepare")
def data_prepare(
    source: Annotated[
        str, typer.Option("--source", help="torchvision, or a path: parquet files, or a folder of class folders.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    train_per_class: Annotated[int, typer.Option(min=1, help="Training images of each class.")] = 1000,
    test_per_class: Annotated[int, typer.Option(min=1, help="Test images of each class.")] = 1000,
    salt: Annotated[str, typer.Option(help="Draws another subset; keep it private for a hidden test set.")] = "",
) -> int:
    """Write a balanced subset of CIFAR-10 (or your own images) as one file."""
    from grader import data  # torch comes with it

    made = data.prepare(source, output, train_per_class, test_per_class, salt)
    out.print(f"{output}: {data.describe(made)}", soft_wrap=True)
    return OK


@data_app.command("info")
def data_info(
    file: Annotated[Path | None, typer.Argument(help="A prepared file; without it, the stand-in.")] = None,
) -> int:
    """Say what a prepared file holds."""
    from grader import data  # torch comes with it

    out.print(data.describe(data.open_default(file)), soft_wrap=True)
    return OK


def _collect(path: Path) -> list[Submission]:
    """The submissions; says which files are nobody's."""
    taken = intake.take(path)
    for skipped in taken.skipped:
        _complain(skipped)
    return list(taken.submissions)


def _make(output: Path) -> None:
    """Make the folder for the results, before hours of work go into them."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{output} cannot be a folder for the results ({e.strerror}): give another with -o.") from e


def _plan(folder: Path, solutions: Path, data: Path | None, recipe: Speed, device: Device, jobs: int) -> Plan:
    """How to grade, with paths that stay right in another process."""
    if data and not data.is_file():
        raise UsageError(f"there is no data file {data}: make one with `grader data prepare`.")
    images = str(data.resolve()) if data else None
    return Plan(str(folder.resolve()), str(solutions), images, device, recipe, jobs, str(_cache()))


def _reference(given: Path | None, spec: Assignment) -> Path:
    """The folder of solutions: as given, else beside the engine in a checkout."""
    folder = given or content.PACKAGE.parent / "reference" / spec.id
    if not folder.is_dir():
        raise UsageError(
            f"there is no reference folder {folder}: give the folder of {spec.id}'s solutions with --reference. "
            f"(Students use `grader check`, which needs none.)"
        )
    return folder.resolve()


def _cache() -> Path:
    """Where trainings are kept from run to run."""
    if given := os.environ.get("TORCHGRADER_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "torchgrader"


def _samples() -> list[Submission]:
    """The demo's class: sample submissions of the repository under students' names."""
    tests = content.PACKAGE.parent / "tests"
    listed = tests / "demo.toml"
    if not listed.is_file():
        raise UsageError("the sample submissions are in the repository, not in the installed package: run `make demo`.")
    names = tomllib.loads(listed.read_text(encoding="utf-8"))["class"]
    return [replace(intake.collect(tests / "submissions" / case)[0], student_id=who) for who, case in names.items()]


def _grade_class(
    plan: Plan, spec: Assignment, solutions: Path, handed_in: list[Submission], output: Path, lang: str = "en"
) -> int:
    _make(output)
    rubrics = {question: r.text for question, r in rubric.load(solutions).items()}
    cards = _run(plan, spec, handed_in, output, lang)
    gradebook = Gradebook(assignment=spec.id, title=spec.title, scorecards=tuple(cards), rubrics=rubrics)
    page = report.write(gradebook, output, lang)
    out.print(console.class_summary(cards))
    out.print(f"Class page: {page}", soft_wrap=True)
    return SOME_INTERNAL if gradebook.internal else OK


def _run(
    plan: Plan, spec: Assignment, handed_in: list[Submission], output: Path | None, lang: str = "en"
) -> list[Scorecard]:
    """Grade with progress; each scorecard is on disk the moment it is complete."""
    cards: dict[str, Scorecard] = {}
    display = console.Display(out, len(handed_in))

    def take(card: Scorecard) -> None:
        cards[card.student_id] = card
        if output:
            report.write_scorecard(card, output, title=spec.title, lang=lang)

    with display.shown():
        batch.grade(plan, spec, handed_in, display.watch, take)
    return [cards[s.student_id] for s in handed_in]


def _internal(cards: list[Scorecard]) -> bool:
    return any(c.verdict == "INTERNAL" for card in cards for c in card.checks)


def _version(value: bool) -> None:
    if value:
        out.print(f"torchgrader {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Grade deep-learning assignments: student code in a sandbox, models by measurement, reports to read."""


def main() -> None:
    """The `grader` command: one handler for everything that can go wrong."""
    try:
        code = app(standalone_mode=False)
    except GraderError as e:
        _complain(str(e))
        code = EXPLAINED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as e:  # noqa: BLE001  # the last handler: everything else has its own
        code = _usage_or_unexpected(e)
    if code == INTERRUPTED:  # typer makes an exit code of most interrupts itself
        _complain("interrupted; what was graded is kept")
    sys.exit(code)


def _complain(text: str) -> None:
    """One line on stderr, however long: it can be copied."""
    err.print(f"grader: {text}", soft_wrap=True)


def _usage_or_unexpected(error: Exception) -> int:
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # typer's own usage errors
        _complain(f"{error.format_message()} Try `grader --help`.")
        return EXPLAINED
    with tempfile.NamedTemporaryFile("w", prefix="grader-", suffix=".log", delete=False) as log:
        log.write(f"torchgrader {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=log)
    _complain(f"unexpected {type(error).__name__}: {error}\nPlease report it with the file {log.name}")
    return UNEXPECTED


if __name__ == "__main__":
    main()
