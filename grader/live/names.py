"""Which of a notebook's names is meant for an answer, and a copy of what it is bound to."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType

from torch import Tensor, nn

Names = Mapping[str, object]
IPYTHONS_OWN = frozenset("In Out exit quit open get_ipython check".split())


def look_up(names: Names, answer: str, aliases: Sequence[str], taken: set[str]) -> tuple[str, str]:
    """The notebook's name for an answer with the rule that chose it, or "" with what to do.

    By its own name, else by the aliases; among several that match one, classes go before functions and these before
    objects. Names in `taken` answer other questions.
    """
    if answer in names:
        return answer, f"{answer} was found under its own name"
    for alias in [re.escape(answer), *aliases]:
        alike = [n for n in _own(names) if n not in taken and re.fullmatch(alias, n, re.IGNORECASE)]
        for kind in (_is_class, _is_function, _is_object):
            same = [n for n in alike if kind(names[n])]
            if len(same) == 1:
                return same[0], f"{same[0]} was taken for {answer}, by its name"
            if same:
                return "", f"{', '.join(same)} could each be {answer}: rename the right one {answer}"
    return (
        "",
        f"nothing is named {answer} or alike here. Run the cell that defines it, or bind your answer to that name",
    )


def _own(names: Names) -> Iterator[str]:
    """The names that the notebook itself has bound to something that may be an answer."""
    for name, value in names.items():
        imported = isinstance(value, ModuleType) or getattr(value, "__module__", None) != names.get("__name__")
        if not (name.startswith("_") or name in IPYTHONS_OWN or (imported and not isinstance(value, nn.Module))):
            yield name


def _is_class(value: object) -> bool:
    return isinstance(value, type)


def _is_function(value: object) -> bool:
    return isinstance(value, Callable) and not isinstance(value, type | nn.Module)  # type: ignore[arg-type]  # an ABC


def _is_object(value: object) -> bool:
    return not _is_class(value) and not _is_function(value)


def own_copy(value: object) -> object:
    """A copy of a layer or network, on the CPU, for a check puts weights into it; anything else as it is."""
    if not isinstance(value, nn.Module):
        return value
    # A result that a layer keeps (`self.out = x`) hangs on its gradient, and torch refuses to copy that as it is.
    kept = [t for m in value.modules() for t in vars(m).values() if isinstance(t, Tensor) and not t.is_leaf]
    return copy.deepcopy(value, {id(t): t.detach().clone() for t in kept}).cpu()
