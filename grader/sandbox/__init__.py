"""How student code is shut in: `choose()` returns the best sandbox that this machine can build, and the reason.

The zygote and its workers import from here too, so nothing but the standard library is imported at the top.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import SandboxUnavailable
from grader.sandbox.blueprint import NAMES, Blueprint, Evidence, Opener

if TYPE_CHECKING:
    from grader.model import Isolation


NOTHING = Blueprint()
LEAST_FOR_HIDDEN = 2  # below it, student code reaches whatever the grader's user reaches


@dataclass(frozen=True)
class Sandbox:
    """What workers are shut in by, `evidence` from a worker that tried every wall, and why it is not better.

    `forks`: workers come from a warm zygote, else each is a fresh interpreter.
    """

    isolation: Isolation
    forks: bool
    blueprint: Blueprint = NOTHING
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()


def choose(require: int = 0, fresh: bool = False, folders: Iterable[Path] = ()) -> Sandbox:
    """The best sandbox here, found by building it and trying its walls from inside.

    `fresh` forces new interpreters, as on systems without a safe fork. `folders` (the reference, say) must not be
    readable from inside. Raises `SandboxUnavailable` when the level is below `require`.
    """
    linux = sys.platform.startswith("linux")
    sandbox = _surveyed(folders) if linux and not fresh else _plain()
    level = sandbox.isolation.level
    if level < require:
        raise SandboxUnavailable(
            f"Isolation level {require} ({NAMES.get(require, 'unknown')}) was required, and this machine reaches level "
            f"{level} ({NAMES[level]}): {sandbox.isolation.reason}. Nothing was run. `grader doctor` says how to mend "
            f"each wall; or require level {level}."
        )
    return sandbox


def _surveyed(folders: Iterable[Path]) -> Sandbox:
    from grader.model import Isolation  # pydantic is not for the zygote
    from grader.sandbox.survey import survey

    found = survey(folders)
    if found.level > 1:
        how = f", namespaces by {found.blueprint.opener}" if found.blueprint.opener is not Opener.NONE else ""
        reason = "; ".join([f"every wall was tried from inside and held{how}", *found.missing])
    else:
        reason = "; ".join(["not a sandbox: student code reaches what the grader's user reaches", *found.missing])
    isolation = Isolation(level=found.level, name=NAMES[found.level], verified=found.level > 1, reason=reason)
    return Sandbox(isolation, True, found.blueprint, found.evidence, found.missing)


def _plain() -> Sandbox:
    from grader.model import Isolation  # as above

    reason = (
        "not a sandbox: own process (a fresh interpreter each), clean environment, resource limits, killed from "
        "outside; no walls around files, network or other processes"
    )
    return Sandbox(Isolation(level=1, name=NAMES[1], verified=False, reason=reason), forks=False)
