"""Grading a class, and the bundled sample class."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, content, intake, pages
from grader.assignment import Assignment
from grader.commands import classwork, whence
from grader.commands.classwork import Order, Outlet
from grader.commands.shared import (
    PROCESSORS,
    AddressOption,
    AssignmentOption,
    DataOption,
    DeviceOption,
    EngineOption,
    ForceOption,
    JobsOption,
    JsonLinesOption,
    LanguageOption,
    OutputOption,
    RecipeOption,
    RequireOption,
    TrustOption,
    known_question,
)
from grader.commands.whence import Dates, DueOption, ExtensionsOption, FileTimesOption, TimesOption
from grader.engines import Name, Where
from grader.errors import UsageError
from grader.lms import PLATFORMS
from grader.model import Submission
from grader.plan import Device, Plan, Speed
from grader.store import Run, Store
from grader.store.remainder import Choice


def grade(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS", help="A .py, an .ipynb, a folder of them or of students, or a zip.")
    ],
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
    due: DueOption = None,
    extensions: ExtensionsOption = None,
    times: TimesOption = None,
    file_times: FileTimesOption = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> int:
    """Grade a class: submissions in, scorecards and HTML pages out. What is graded already is kept."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    solutions = reference_folder(reference, spec)
    source = whence.given(submissions, platform, people, Dates(due, extensions, times, file_times))
    handed_in = whence.collect(source, spec, quiet=json_lines)
    where = _where(engine, address)
    plan = replace(_plan(folder, solutions, data, recipe, device, jobs), require=require, trust=trust)
    order = Order(_there(plan, where), spec, handed_in, source.remembered, where)
    return classwork.grade(order, Outlet(output, lang, json_lines), Choice(force=force))


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the pages go.")] = Path("reports/out/demo"),
    jobs: JobsOption = PROCESSORS,
) -> int:
    """Grade a bundled class of samples on drawn stand-in images. Real processes, real training."""
    folder = content.folder("assignments") / "cnn-cifar10"
    spec = assignment.load(folder)
    solutions = reference_folder(None, spec)
    handed_in = _samples()
    plan = _plan(folder, solutions, None, "quick", "auto", jobs)
    return classwork.grade(Order(plan, spec, handed_in, {}), Outlet(output), Choice(force=True))


def regrade(
    submissions: Annotated[
        Path | None, typer.Argument(metavar="SUBMISSIONS", help="Where they are, if not where they were.")
    ] = None,
    output: OutputOption = Path("reports/out"),
    students: Annotated[
        list[str] | None, typer.Option("--student", metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    questions: Annotated[
        list[str] | None,
        typer.Option("--question", metavar="ID", help="Only this question, the others stay; may be repeated."),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only who has a check that did not pass.")] = False,
    internal: Annotated[bool, typer.Option("--internal", help="Only where the harness failed.")] = False,
    force: ForceOption = False,
    jobs: JobsOption = PROCESSORS,
    json_lines: JsonLinesOption = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> int:
    """Grade again what changed or was not finished, as last time. With --force also what has not changed."""
    with Store(output) as store:
        last, lang = pages.latest(store).run, pages.language(store)
    plan = replace(_plan_of(last), jobs=jobs)
    spec = assignment.load(Path(plan.assignment))
    for question in questions or []:
        known_question(spec.id, [q.id for q in spec.questions], question)
    source = whence.again(last.environment["origin"], submissions)
    handed_in = whence.collect(source, spec, quiet=json_lines)
    choice = Choice(frozenset(students or ()), frozenset(questions or ()), failed, internal, force)
    where = _where(engine, address)
    order = Order(_there(plan, where), spec, handed_in, source.remembered, where)
    return classwork.grade(order, Outlet(output, lang, json_lines), choice)


def _where(engine: Name, address: str | None) -> Where:
    if address and engine == "local":
        raise UsageError(f"--address {address} goes with --engine ray: add that, or leave the address out.")
    return Where(engine, address)


def _there(plan: Plan, where: Where) -> Plan:
    """The plan for the engine: on several machines a class is trained on one kind of device, whatever each has."""
    return replace(plan, device="cpu") if where.engine != "local" and plan.device == "auto" else plan


def _plan_of(run: Run) -> Plan:
    """How a run graded. What it named may have gone since."""
    values = dict(run.environment["plan"])
    plan = Plan(**{**values, "questions": tuple(values.get("questions", ())), "scratch": ""})
    for what, path in (("assignment", plan.assignment), ("reference", plan.reference), ("data file", plan.data)):
        if path and not Path(path).exists():
            raise UsageError(f"the {what} of the last run, {path}, is gone: bring it back, or use `grader grade`.")
    return plan


def _plan(folder: Path, solutions: Path, data: Path | None, recipe: Speed, device: Device, jobs: int) -> Plan:
    """How to grade, with paths that stay right in another process."""
    if data and not data.is_file():
        raise UsageError(f"there is no data file {data}: make one with `grader data prepare`.")
    images = str(data.resolve()) if data else None
    return Plan(str(folder.resolve()), str(solutions), images, device, recipe, jobs, str(content.cache()))


def reference_folder(given: Path | None, spec: Assignment) -> Path:
    """The folder of solutions: as given, else beside the engine in a checkout."""
    folder = given or content.PACKAGE.parent / "reference" / spec.id
    if not folder.is_dir():
        raise UsageError(
            f"there is no reference folder {folder}: give the folder of {spec.id}'s solutions with --reference. "
            f"(Students use `grader check`, which needs none.)"
        )
    _holds_hidden_checks(folder, spec)
    return folder.resolve()


def _holds_hidden_checks(folder: Path, spec: Assignment) -> None:
    """Raise `UsageError` when an assignment with hidden checks gets a folder without any: all would be INTERNAL."""
    if any(question.hidden_count for question in spec.questions) and not (folder / "checks").is_dir():
        raise UsageError(
            f"{folder} holds no folder checks, where the hidden checks of {spec.id} should be: "
            f"give the folder of its solutions and hidden checks with --reference."
        )


def _samples() -> list[Submission]:
    """The demo's class: sample submissions of the repository under students' names."""
    tests = content.PACKAGE.parent / "tests"
    listed = tests / "demo.toml"
    if not listed.is_file():
        raise UsageError("the sample submissions are in the repository, not in the installed package: run `make demo`.")
    names = tomllib.loads(listed.read_text(encoding="utf-8"))["class"]
    return [replace(intake.collect(tests / "submissions" / case)[0], student_id=who) for who, case in names.items()]
