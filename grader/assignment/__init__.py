"""assignment.toml -> Assignment: the questions, their checks and points, limits, seeds, recipes and baselines."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from grader import content
from grader.assignment.question import Answer, CheckSpec, Identifier, Limits, Network, Question, Withheld
from grader.errors import AssignmentError, UsageError
from grader.lateness import Policy
from grader.model import Value
from grader.recipe import Recipe

__all__ = [
    "Answer",
    "Assignment",
    "BaselineSpec",
    "CheckSpec",
    "Disclosure",
    "Limits",
    "Network",
    "Question",
    "Seeds",
    "Withheld",
    "asked",
    "available",
    "find",
    "load",
]

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Seeds(Value):
    """`public` draws the inputs of public checks; `weights` the networks' initial weights; `training` the batches.

    The reference is trained from `reference_trainings` seeds (the two and those that follow), to measure how much a
    seed changes; 1 measures nothing.
    """

    public: int = 0
    weights: int = 0
    training: int = 0
    reference_trainings: Annotated[int, Field(ge=1, le=100)] = 1


class Disclosure(Value):
    """When a platform may show students how many hidden checks they passed; what is in them is never shown there."""

    hidden_checks: Literal["hidden", "after_due_date", "after_published", "visible"] = "after_due_date"


class BaselineSpec(Value):
    """A network to compare with: class `name` of the reference's `file`.py, or the student's answer to `question`."""

    id: Identifier
    title: str
    file: Identifier | None = None
    name: Identifier | None = None
    question: Identifier | None = None
    printed: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> BaselineSpec:
        if (self.question is None) == (self.file is None or self.name is None):
            raise ValueError("a baseline has either `file` and `name`, or `question`")
        return self


class Assignment(Value):
    """An assignment as written in its assignment.toml, with the folder that it came from.

    `language` is that of a student's own checks where no other is asked for.
    """

    id: Slug
    title: str
    title_zh: str = ""
    language: Literal["en", "zh-TW"] = "en"
    classes: tuple[str, ...] = ()
    class_aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    seeds: Seeds = Seeds()
    limits: Limits = Limits()
    visibility: Disclosure = Disclosure()
    late: Policy = Policy()
    attempts: Literal["last", "best"] = "last"
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]
    baselines: tuple[BaselineSpec, ...] = ()
    recipes: dict[str, dict[str, Recipe]] = Field(default_factory=dict)
    allowed_packages: tuple[str, ...] = ()
    folder: Path = Field(exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> Assignment:
        ids = [q.id for q in self.questions]
        if duplicates := {i for i in ids if ids.count(i) > 1}:
            raise ValueError(f"question ids must differ: {', '.join(sorted(duplicates))}")
        if strange := set(self.class_aliases) - set(self.classes):
            raise ValueError(f"class_aliases for classes that do not exist: {', '.join(sorted(strange))}")
        known = {b.id for b in self.baselines}
        for q in self.questions:
            if q.network and (unknown := set(q.network.baselines) - known):
                raise ValueError(f"{q.id}: no baseline {', '.join(sorted(unknown))} among {', '.join(sorted(known))}")
        if unknown := (set(self.recipes) | {b.question for b in self.baselines if b.question}) - set(ids):
            raise ValueError(f"recipes or baselines for questions that do not exist: {', '.join(sorted(unknown))}")
        return self

    @property
    def checks_folder(self) -> Path:
        """The public checks."""
        return self.folder / "checks"

    @property
    def max_points(self) -> float:
        """All points of all questions."""
        return sum(q.max_points for q in self.questions)

    def question(self, id: str) -> Question:  # noqa: A002  # `id` is the glossary's word
        """The question with this id."""
        return next(q for q in self.questions if q.id == id)

    def limits_of(self, question: Question) -> Limits:
        """The question's own limits, else the assignment's."""
        return question.limits or self.limits

    def recipe(self, question_id: str, device: str, speed: str) -> tuple[str, Recipe]:
        """The recipe for a question on a device ("cpu", "cuda") at a speed ("quick", "full"), with its name."""
        recipes = self.recipes.get(question_id, {})
        for name in (f"{device}-{speed}", f"cpu-{speed}"):
            if name in recipes:
                return name, recipes[name]
        raise AssignmentError(
            f"assignment {self.id} has no recipe {device}-{speed} for {question_id}; "
            f"it has: {', '.join(sorted(recipes)) or 'none'}. Add [recipes.{question_id}.{device}-{speed}]."
        )

    @property
    def digest(self) -> str:
        """SHA-256 over assignment.toml and the public checks."""
        h = hashlib.sha256()
        for path in [self.folder / "assignment.toml", *sorted(self.checks_folder.glob("*.py"))]:
            h.update(path.name.encode())
            h.update(path.read_bytes())
        return h.hexdigest()


def available() -> list[str]:
    """Names of the assignments that ship with the engine."""
    return sorted(p.parent.name for p in content.folder("assignments").glob("*/assignment.toml"))


def find(name: str | None) -> Path:
    """The folder of an assignment: a path to one, or the name of one that ships; None is the only one that ships."""
    if name is None:
        names = available()
        if len(names) == 1:
            return content.folder("assignments") / names[0]
        raise UsageError(f"there are several assignments ({', '.join(names)}): choose one with -a")
    for folder in (Path(name), content.folder("assignments") / name):
        if (folder / "assignment.toml").is_file():
            return folder.resolve()
    raise UsageError(
        f"there is no assignment {name!r}: wanted a folder with an assignment.toml, or one of {', '.join(available())}"
    )


def asked(assignment: Assignment, names: Sequence[str]) -> tuple[Question, ...]:
    """The questions that are named by id, or by its beginning where only one has it ("q1"); all when none is named.

    In the assignment's order. Raises UsageError for a name that none has, or several.
    """
    found = []
    for name in names:
        known = [q for q in assignment.questions if q.id == name]
        known = known or [q for q in assignment.questions if q.id.startswith(name.lower())]
        if len(known) != 1:
            ids = ", ".join(q.id for q in assignment.questions)
            raise UsageError(f"{assignment.id} has no question {name!r}: wanted one of {ids}.")
        found += known
    return tuple(q for q in assignment.questions if q in found or not names)


def load(folder: Path) -> Assignment:
    """Read and validate `folder`/assignment.toml; every mistake is named with its place."""
    path = folder / "assignment.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise AssignmentError(f"{path} cannot be read: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise AssignmentError(f"{path} is not TOML: {e}") from e
    try:
        # TOML has arrays where the nouns have tuples, so types are checked in JSON's sense of strict.
        return Assignment.model_validate({**table, "folder": folder}, strict=False)
    except ValidationError as e:
        raise AssignmentError(f"{path}: {'; '.join(_problem(error) for error in e.errors())}") from e


def _problem(error: object) -> str:
    """One validation error as a phrase: where, and what."""
    assert isinstance(error, dict)  # noqa: S101  # pydantic's own type, not input
    place = ".".join(str(p) for p in error["loc"]) or "the file"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key {place}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
