"""Grading a class, and the bundled sample class."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, console, content, intake, report, rubric, similarity
from grader.assignment import Assignment
from grader.commands.shared import (
    OK,
    PROCESSORS,
    SOME_INTERNAL,
    AssignmentOption,
    DataOption,
    DeviceOption,
    JobsOption,
    LanguageOption,
    RecipeOption,
    RequireOption,
    TrustOption,
    complain,
    make_folder,
    out,
    phrase_folders,
    run,
)
from grader.errors import UsageError
from grader.lms import PLATFORMS, incoming
from grader.model import Gradebook, Submission
from grader.plan import Device, Plan, Speed


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
    platform: Annotated[
        str | None, typer.Option("--from", help=f"Whose export it is, if that is not seen: {', '.join(PLATFORMS)}.")
    ] = None,
    people: Annotated[Path | None, typer.Option("--roster", help="A CSV with the class's ids and names.")] = None,
) -> int:
    """Grade a class: a folder of submissions in, scorecards and HTML pages out."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    solutions = reference_folder(reference, spec)
    handed_in = _collect(submissions, platform, people)
    plan = replace(_plan(folder, solutions, data, recipe, device, jobs), require=require, trust=trust)
    return _grade_class(plan, spec, solutions, handed_in, output, lang)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the pages go.")] = Path("reports/out/demo"),
    jobs: JobsOption = PROCESSORS,
) -> int:
    """Grade a bundled class of sample submissions on drawn stand-in images: real processes, real training."""
    folder = content.folder("assignments") / "cnn-cifar10"
    spec = assignment.load(folder)
    solutions = reference_folder(None, spec)
    handed_in = _samples()
    plan = _plan(folder, solutions, None, "quick", "auto", jobs)
    return _grade_class(plan, spec, solutions, handed_in, output)


def _collect(path: Path, platform: str | None, people: Path | None) -> list[Submission]:
    """The submissions; says whose export it is, and which files are nobody's."""
    taken = incoming.take(path, platform, people)
    if taken.platform.name != "plain":
        late = sum(bool(s.late) for s in taken.submissions)
        count = f"{len(taken.submissions)} submissions" + (f", {late} late" if late else "")
        out.print(f"{path.name}: {taken.platform.title} ({taken.reason}); {count}", soft_wrap=True)
    for skipped in taken.skipped:
        complain(skipped)
    if taken.unlisted:
        complain(f"not on the class list: {', '.join(taken.unlisted)}")
    return list(taken.submissions)


def _plan(folder: Path, solutions: Path, data: Path | None, recipe: Speed, device: Device, jobs: int) -> Plan:
    """How to grade, with paths that stay right in another process."""
    if data and not data.is_file():
        raise UsageError(f"there is no data file {data}: make one with `grader data prepare`.")
    images = str(data.resolve()) if data else None
    return Plan(str(folder.resolve()), str(solutions), images, device, recipe, jobs, str(_cache()))


def reference_folder(given: Path | None, spec: Assignment) -> Path:
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
    make_folder(output)
    rubrics = {question: r.text for question, r in rubric.load(solutions).items()}
    cards = run(plan, spec, handed_in, output, lang)
    alike = similarity.keep(output, handed_in, spec.folder / "handout")
    gradebook = Gradebook(
        assignment=spec.id, title=spec.title, scorecards=tuple(cards), rubrics=rubrics, similarity=alike
    )
    page = report.write(gradebook, output, lang, phrase_folders(plan))
    out.print(console.class_summary(cards))
    out.print(f"Class page: {page}", soft_wrap=True)
    return SOME_INTERNAL if gradebook.internal else OK
