"""What a question of an assignment asks for: its answers, its explanation, its network, its checks and their points."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from grader.model import AskedLayer, Points, Value, Visibility, Window


def _regular(pattern: str) -> str:
    """A regular expression, or ValueError: in a worker it would be taken for the student's fault."""
    try:
        re.compile(pattern)
    except re.error as e:
        raise ValueError(f"{pattern!r} is no regular expression ({e})") from e
    return pattern


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Pattern = Annotated[str, AfterValidator(_regular)]


class Limits(Value):
    """What one question may use. Wall seconds count from the request, not from the start of Python."""

    wall_seconds: Annotated[float, Field(gt=0)] = 20.0
    memory_mib: Annotated[int, Field(ge=256)] = 4096
    output_kib: Annotated[int, Field(ge=1)] = 64


class CheckSpec(Value):
    """Points and visibility of one check. The points come from here, never from what pytest happened to collect."""

    points: Points
    visibility: Visibility = Visibility.PUBLIC


class Withheld(Value):
    """The hidden checks of a question where they are not named, as in a student's kit, and their points together."""

    checks: Annotated[int, Field(ge=0)] = 0
    points: Points = 0.0


Setting = int | bool | str | tuple[int, ...]


class Role(Value):
    """What tells an answer that nobody named.

    A layer: its kind `op`, settings of which each must hold (`where`), and of several that fit the one for which most
    of `rather` hold. A setting is a value, or a word: square, rectangle, none, some. A network: is it `depthwise`.
    """

    op: Literal["", "conv2d", "max_pool2d", "avg_pool2d", "relu", "linear"] = ""
    where: dict[str, Setting] = Field(default_factory=dict)
    rather: dict[str, Setting] = Field(default_factory=dict)
    depthwise: bool | None = None


class Answer(Value):
    """A name that a question asks for. `aliases` are regular expressions, matched in full, ignoring case.

    `role` tells what may be taken for it where nothing has the name.

    `window` is what a convolution or pooling lets slide over its input; it is drawn where an answer is wrong.
    """

    name: Identifier
    kind: Literal["layer", "model"] = "layer"
    aliases: tuple[Pattern, ...] = ()
    window: Window | None = None
    role: Role | None = None


class Explanation(Value):
    """A text that a person marks. `headings` are regular expressions found in a Markdown heading above the text."""

    name: Identifier
    points: Points
    headings: tuple[Pattern, ...] = ()


class Network(Value):
    """What a model question measures: images (C, H, W) -> scores of `classes`, compared with `baselines`.

    `layers` (in order) and `parts` (how many steps of a kind) are shown beside the student's, and judge nothing.
    """

    input_shape: tuple[int, int, int] = (3, 32, 32)
    classes: int = 10
    baselines: tuple[str, ...] = ()
    layers: tuple[AskedLayer, ...] = ()
    parts: dict[str, int] = Field(default_factory=dict)


class Question(Value):
    """One question. Its id is the name of its file, of its checks' file and of its anchor on the report."""

    id: Identifier
    title: str
    title_zh: str = ""
    answers: tuple[Answer, ...]
    explanation: Explanation | None = None
    network: Network | None = None
    limits: Limits | None = None
    checks: dict[str, CheckSpec]
    withheld: Withheld = Withheld()

    @property
    def max_points(self) -> float:
        """All points, the explanation's and those of checks that are not named here included."""
        explained = self.explanation.points if self.explanation else 0
        return sum(c.points for c in self.checks.values()) + explained + self.withheld.points

    @property
    def public_checks(self) -> tuple[str, ...]:
        """The ids of the checks that students may see."""
        return tuple(i for i, c in self.checks.items() if c.visibility is Visibility.PUBLIC)

    @property
    def hidden_count(self) -> int:
        """How many checks are hidden, whether they are named here or not."""
        return len(self.checks) - len(self.public_checks) + self.withheld.checks
