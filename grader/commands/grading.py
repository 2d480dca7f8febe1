"""Grading a class, and the bundled sample class."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, content, intake, pages
from grader.assignment import Assignment
from grader.commands import classwork
from grader.commands.classwork import Order, Outlet
from grader.commands.shared import (
    PROCESSORS,
    AssignmentOption,
    DataOption,
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonLinesOption,
    LanguageOption,
    OutputOption,
    RecipeOption,
    RequireOption,
    TrustOption,
    complain,
    known_question,
    out,
)
from grader.errors import UsageError
from grader.lms import PLATFORMS, incoming
from grader.model import Submission
from grader.plan import Device, Plan, Speed
from grader.remainder import Choice
from grader.store import Run, Store


def grade(
    submissions: Annotated[Path, typer.Argument(help="A .py, an .ipynb, a folder of them or of students, or a zip.")],
    assignment_name: AssignmentOption = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Folder of the solutions and hidden checks.")
    ] = None,
    output: OutputOption = Path("reports/out"),
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
    force: ForceOption = False,
    json_lines: JsonLinesOption = False,
) -> int:
    """Grade a class: a folder of submissions in, scorecards and HTML pages out. What is graded already is kept."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    solutions = reference_folder(reference, spec)
    handed_in = _collect(submissions, platform, people, quiet=json_lines)
    plan = replace(_plan(folder, solutions, data, recipe, device, jobs), require=require, trust=trust)
    order = Order(plan, spec, handed_in, _origin(submissions, platform, people))
    return classwork.grade(order, Outlet(output, lang, json_lines), Choice(force=force))


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
    return classwork.grade(Order(plan, spec, handed_in, {}), Outlet(output), Choice(force=True))


def regrade(
    submissions: Annotated[
        Path | None, typer.Argument(help="Where the submissions are, if not where they were.")
    ] = None,
    output: OutputOption = Path("reports/out"),
    students: Annotated[list[str] | None, typer.Option("--student", help="Only this one; may be repeated.")] = None,
    questions: Annotated[
        list[str] | None, typer.Option("--question", help="Only this question, the others stay; may be repeated.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only who has a check that did not pass.")] = False,
    internal: Annotated[bool, typer.Option("--internal", help="Only where the harness failed.")] = False,
    force: ForceOption = False,
    jobs: JobsOption = PROCESSORS,
    json_lines: JsonLinesOption = False,
) -> int:
    """Grade again, as the last time: what changed, what was not finished, or with --force what has not changed too."""
    with Store(output) as store:
        last, lang = pages.latest(store).run, pages.language(store)
    plan = replace(_plan_of(last), jobs=jobs)
    spec = assignment.load(Path(plan.assignment))
    for question in questions or []:
        known_question(spec.id, [q.id for q in spec.questions], question)
    origin = {**last.environment["origin"], **({"path": str(submissions.resolve())} if submissions else {})}
    if not origin.get("path"):
        raise UsageError("it is not remembered where these submissions came from: give their path.")
    people = Path(origin["people"]) if origin.get("people") else None
    handed_in = _collect(Path(origin["path"]), origin.get("platform"), people, quiet=json_lines)
    choice = Choice(frozenset(students or ()), frozenset(questions or ()), failed, internal, force)
    return classwork.grade(Order(plan, spec, handed_in, origin), Outlet(output, lang, json_lines), choice)


def _plan_of(run: Run) -> Plan:
    """How a run graded. What it named may have gone since."""
    values = dict(run.environment["plan"])
    plan = Plan(**{**values, "questions": tuple(values.get("questions", ())), "scratch": ""})
    for what, path in (("assignment", plan.assignment), ("reference", plan.reference), ("data file", plan.data)):
        if path and not Path(path).exists():
            raise UsageError(f"the {what} of the last run, {path}, is gone: bring it back, or use `grader grade`.")
    return plan


def _origin(path: Path, platform: str | None, people: Path | None) -> dict[str, str | None]:
    """Where submissions came from, in words that stay right elsewhere."""
    return {"path": str(path.resolve()), "platform": platform, "people": str(people.resolve()) if people else None}


def _collect(path: Path, platform: str | None, people: Path | None, *, quiet: bool = False) -> list[Submission]:
    """The submissions; says whose export it is, and which files are nobody's."""
    taken = incoming.take(path, platform, people)
    if taken.platform.name != "plain" and not quiet:
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
