"""rubric.toml of a reference: how a person marks the explanations. Shown to instructors only."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from grader.errors import AssignmentError
from grader.model import Points, Value


class Item(Value):
    """One thing that a good explanation says: worth `points`, half of them for what `part` describes."""

    id: str
    title: str
    title_zh: str = ""
    points: Points
    good: str
    good_zh: str = ""
    part: str = ""
    part_zh: str = ""


class Rubric(Value):
    """What to look for in the answer to one explanation."""

    model_config = ConfigDict(strict=False)  # TOML has arrays where we have tuples

    explanation: str
    title: str
    title_zh: str = ""
    items: Annotated[tuple[Item, ...], Field(min_length=1)]

    @property
    def text(self) -> str:
        """The rubric as plain paragraphs, one for each thing to look for."""
        return "\n\n".join([self.title, *(_line(item) for item in self.items)])


def _line(item: Item) -> str:
    half = f" Half: {item.part}" if item.part else ""
    return f"{item.points:g} · {item.title}: {item.good}{half}"


def load(reference: Path) -> dict[str, Rubric]:
    """The rubrics by question id; {} when the reference has none. Raises AssignmentError."""
    path = reference / "rubric.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return {question: Rubric.model_validate(value) for question, value in table.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise AssignmentError(f"{path} is not TOML: {e}") from e
    except ValidationError as e:
        places = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in e.errors())
        raise AssignmentError(f"{path}: {places}") from e
