"""The trace of a forward by torch.export, and its refusals in the student's terms.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.export.graph_signature import OutputKind

from grader.graph import decisions
from grader.graph.keeping import TORCHS_OWN, attributes_kept, undisturbed
from grader.graph.observation import DATA_DEPENDENT, NotCapturable, Observed, first_line

LARGEST_BATCH = 8192
WITHOUT_PLACES = "do_not_emit_stack_traces"
Help = Callable[[nn.Module, Tensor], contextlib.AbstractContextManager[None]]
# The form that still trains; older versions of torch.export.export give another one.
TRACE: Callable[..., Any] = getattr(torch.export, "export_for_training", torch.export.export)


@dataclass(frozen=True)
class Traced:
    """The exported program. `told`: the forward decided by values, and was told what it found when it was run."""

    program: Any
    told: bool


def traced(model: nn.Module, images: Tensor, observed: Observed, *, dynamic: bool) -> Traced:
    """The trace; if need be with side glances (numbers printed, arrays kept) blanked, or decisions by values told.

    What is blanked and yet computed with shows when the graph is compared. Raises NotCapturable.
    """
    with _putting_back(model) if observed.changed else contextlib.nullcontext():
        helps: list[Help] = []
        first: NotCapturable | None = None
        while True:
            try:
                with contextlib.ExitStack() as stack:
                    for one in helps:
                        stack.enter_context(one(model, images))
                    return Traced(_export(model, images, dynamic=dynamic), told=_decisions in helps)
            except NotCapturable as e:
                first = first or e
                more = next((h for pattern, h in HELPS if pattern.search(str(e)) and h not in helps), None)
                if more is None:
                    raise first from None
                helps.append(more)


@contextlib.contextmanager
def _putting_back(model: nn.Module) -> Iterator[None]:
    """Within, each forward of the whole network puts back what it set on its modules, buffers apart."""
    forward = model.forward

    @functools.wraps(forward)
    def tidy(*args: Any, **kwargs: Any) -> Any:
        with attributes_kept(model, TORCHS_OWN):
            return forward(*args, **kwargs)

    with attributes_kept(model, TORCHS_OWN):
        vars(model)["forward"] = tidy
        yield


@contextlib.contextmanager
def _blanks(model: nn.Module, images: Tensor) -> Iterator[None]:  # noqa: ARG001  # as every Help
    """Within, a traced tensor gives an array of one zero, and a traced number is written as 0."""
    numpy, formatted = Tensor.numpy, torch.SymFloat.__format__
    zeros = getattr(sys.modules.get("numpy"), "zeros", None)

    def zero(self: Tensor, *, force: bool = False) -> Any:
        return zeros([1] * self.dim(), "float32") if zeros else numpy(self, force=force)

    Tensor.numpy = zero  # type: ignore[method-assign, assignment]  # put back below
    torch.SymFloat.__format__ = lambda self, form: format(0.0, form)  # type: ignore[method-assign]  # noqa: ARG005
    try:
        yield
    finally:
        Tensor.numpy, torch.SymFloat.__format__ = numpy, formatted  # type: ignore[method-assign]


@contextlib.contextmanager
def _decisions(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Within, the forward finds the values that it finds on these images."""
    with undisturbed(model), torch.no_grad(), decisions.noted() as values:
        model(images.clone())
    with decisions.told(values):
        yield


HELPS: tuple[tuple[re.Pattern[str], Help], ...] = (
    (re.compile(r"numpy|__format__"), _blanks),
    (re.compile(re.escape(DATA_DEPENDENT)), _decisions),
)


def _export(model: nn.Module, images: Tensor, *, dynamic: bool) -> Any:
    """torch.export's ExportedProgram, or NotCapturable in the student's terms."""
    sizes = ({0: torch.export.Dim("batch", min=2, max=LARGEST_BATCH)},) if dynamic else None
    try:
        with _placeless():
            program = TRACE(model, (images,), dynamic_shapes=sizes, strict=False)
    except Exception as e:  # noqa: BLE001  # student code runs inside, and torch raises many kinds
        raise NotCapturable(_reason(e)) from None
    if any(spec.kind is not OutputKind.USER_OUTPUT for spec in program.graph_signature.output_specs):
        raise NotCapturable("its forward hands out more than scores (a changed input or buffer).")
    return program


@contextlib.contextmanager
def _placeless() -> Iterator[None]:
    """Within, torch does not look up the line of code behind each operation: a fifth of the time, and nobody asks."""
    config = getattr(torch.fx, "config", None)  # not in every version
    before = getattr(config, WITHOUT_PLACES, None)
    if before is None:
        yield
        return
    setattr(config, WITHOUT_PLACES, True)
    try:
        yield
    finally:
        setattr(config, WITHOUT_PLACES, before)


REASONS: tuple[tuple[str, str], ...] = (
    (r"data.?dependent|GuardOnDataDependent|DynamicOutputShape|_local_scalar_dense", DATA_DEPENDENT),
    (
        r"fake tensor in the exported program",
        "its forward uses .data, which cuts gradients off; use the tensor itself.",
    ),
    (r"\.numpy\(\)|numpy|__array__", "its forward leaves torch for numpy; do the computation with torch."),
    (r"cuda|cudnn|No NVIDIA|mps", "its forward moves tensors to a GPU; leave the device to the grader."),
    (r"Constraints violated|specialized", "its forward works for one batch size only."),
)


def _reason(error: Exception) -> str:
    """torch's error as a sentence for the student."""
    text = f"{type(error).__name__}: {error}"
    for pattern, sentence in REASONS:
        if re.search(pattern, text[:4000], re.IGNORECASE):
            return sentence
    return f"torch.export cannot trace its forward: {type(error).__name__}: {first_line(error)}"
