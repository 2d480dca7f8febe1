"""A network as a graph of aten operations. Runs beside student code: standard library and torch only.

torch.export traces the forward twice, in training and in evaluation mode (stochastic depth and dropout make them
different graphs), with a free batch size if it can. A trace is not always the network: a custom backward is dropped,
Python's random numbers freeze, state kept on `self` is read once. So the graph is run beside the network on the same
images with the same random numbers, and outputs, gradients and buffers must agree; else NotCapturable says why.

Students keep things on `self` in a forward: features for a plot, a count of calls. That is no matter where nothing is
computed from it: the network is run again after other images, and with other numbers in its place, and must do the
same. Then it is traced with those attributes put back at the end of its forward, for torch.export refuses any change.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import operator
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils._pytree import tree_leaves

VERSION = 1
FEW = 4  # images for the comparison: above 1 for BatchNorm, and another size than the traced one
LARGEST_BATCH = 8192
MANY = 1_000_003  # calls more than there were
TORCHS_OWN = frozenset(vars(nn.Module()))  # the attributes that torch keeps itself
NO_GRADIENT = (
    "no gradient reaches its weights, so they can never learn: its forward runs under torch.no_grad or "
    "torch.inference_mode, or ends in detach(). Take that off; the grader decides when gradients are kept."
)
SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
PYTHON_OPS: Mapping[Any, str] = MappingProxyType(
    {getattr(operator, name): f"python.{name}" for name in ("getitem", "add", "sub", "mul", "floordiv", "mod", "neg")}
)
# The form that still trains; older versions of torch.export.export give another one.
TRACE: Callable[..., Any] = getattr(torch.export, "export_for_training", torch.export.export)
CHECKS = re.compile(r"aten\._assert_|aten\.sym_constrain_|aten\._check|assert")


class NotCapturable(Exception):  # an outcome of the student's, named as the design does
    """The network cannot be turned into a faithful graph; the text is a sentence for its author."""


@dataclass(frozen=True)
class Captured:
    """A network's graphs (`ir`, JSON-able; see grader.graph) and its tensors by name: contiguous copies on the CPU."""

    ir: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """What one forward and backward gave: one image per row of `output`, gradients and buffers by name."""

    output: Tensor
    gradients: tuple[Tensor | None, ...]
    buffers: dict[str, Tensor]


def capture(model: nn.Module, input_shape: tuple[int, int, int], batch: int = 64) -> Captured:
    """Trace `model` on images (B, *input_shape) in both modes; `batch` is the size used when only one works.

    The model's mode, buffers and attributes, and the random number generators, are afterwards as before; what the
    forward prints is dropped. Raises NotCapturable.
    """
    with _quiet(), _random_state_kept():
        _check_tensors(model, input_shape)
        with _model_kept(model):
            return _capture(model, input_shape, batch)


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Whatever is run within leaves the model and the random number generators as they were, and prints nothing."""
    with _quiet(), _random_state_kept(), _model_kept(model):
        yield


def _capture(model: nn.Module, input_shape: tuple[int, int, int], batch: int) -> Captured:
    """Dynamic batch if network and trace both allow it, else the one batch size."""
    if _runs(model, input_shape, FEW):
        try:
            return _capture_with(model, _images(input_shape, FEW), None, batch)
        except Unfaithful:
            raise
        except NotCapturable:  # perhaps only because the batch size is written into the code
            pass
    return _capture_with(model, _images(input_shape, batch), batch, batch)


class Unfaithful(NotCapturable):
    """The trace exists but is not the network."""


def _capture_with(model: nn.Module, images: Tensor, static: int | None, batch: int) -> Captured:
    """Trace and compare both modes; `static` is the only batch size, or None."""
    tensors = Tensors(model)
    graphs = {}
    for mode in ("train", "eval"):
        model.train(mode == "train")
        observed = _observe(model, images)
        program = _traced(model, _images(tuple(images.shape[1:]), batch), observed, dynamic=static is None)
        graphs[mode] = Encoder(program, tensors, mode).encode(observed.index)
        _compare(program, model, images, observed, mode)
    ir = {
        "version": VERSION,
        "input": list(images.shape[1:]),
        "batch": static,
        "tensors": tensors.specs(),
        **graphs,
    }
    return Captured(ir, tensors.copies())


# --- leaving everything as it was ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No output and no warning of torch's or the forward's: no use to a student, and not for a judge to see."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _numpy_random() -> Any:
    """numpy.random if the student's code has imported numpy, else None."""
    numpy = sys.modules.get("numpy")
    return getattr(numpy, "random", None)


def _foreign_random_state() -> tuple[object, ...]:
    """The state of the generators that a trace cannot see: Python's and numpy's."""
    numpy_random = _numpy_random()
    if numpy_random is None:
        return (random.getstate(),)
    name, keys, *rest = numpy_random.get_state()
    return (random.getstate(), name, keys.tobytes(), *rest)


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """All generators afterwards as before."""
    state, python = torch.get_rng_state(), random.getstate()
    numpy_random = _numpy_random()
    numpy_state = numpy_random.get_state() if numpy_random else None
    try:
        yield
    finally:
        torch.set_rng_state(state)
        random.setstate(python)
        if numpy_random:
            numpy_random.set_state(numpy_state)


@contextlib.contextmanager
def _model_kept(model: nn.Module) -> Iterator[None]:
    """Mode, tensors and attributes of every module afterwards as before."""
    values = [(t, t.detach().clone()) for t in [*model.parameters(), *model.buffers()]]
    try:
        with _attributes_kept(model):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                if not _same(tensor, value):
                    tensor.copy_(value)


@contextlib.contextmanager
def _attributes_kept(model: nn.Module, besides: frozenset[str] = frozenset()) -> Iterator[None]:
    """Attributes of every module afterwards as before, but for those named in `besides`."""
    modules = list(model.modules())
    attributes = [{k: v for k, v in vars(m).items() if k not in besides} for m in modules]
    contents = [{k: v.copy() for k, v in a.items() if isinstance(v, dict | list | set)} for a in attributes]
    try:
        yield
    finally:
        for module, saved, contained in zip(modules, attributes, contents, strict=True):
            for key in vars(module).keys() - saved.keys() - besides:
                del vars(module)[key]
            vars(module).update(saved)
            for key, content in contained.items():
                _refill(saved[key], content)


def _refill(container: Any, content: Any) -> None:
    """Give a list, dict or set its former content."""
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


def _same(a: Tensor, b: Tensor) -> bool:
    """Equal bits as far as == can tell, NaN equal to NaN."""
    return torch.equal(a, b) or bool(torch.all((a == b) | ((a != a) & (b != b))))


# --- the network itself -------------------------------------------------------------------------------------------


def _check_tensors(model: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """Initialise lazy layers; refuse weights that are not plain numbers on the CPU."""
    if any(
        isinstance(p, UninitializedParameter | UninitializedBuffer) for p in [*model.parameters(), *model.buffers()]
    ):
        with torch.no_grad():
            _call(model, _images(input_shape, FEW))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_quantized:
            raise NotCapturable(
                f"{name} lies on {tensor.device} as a {tensor.layout} tensor; leave the weights plain and on the CPU "
                "(no .cuda(), no .to('cuda')): the grader moves the network itself."
            )


def _images(input_shape: tuple[int, ...], count: int) -> Tensor:
    """Images (count, *input_shape) from a seed of their own, about as normalised pictures are: mean 0, deviation 1."""
    return torch.randn(count, *input_shape, generator=torch.Generator().manual_seed(20190511))


def _call(model: Callable[[Tensor], Any], images: Tensor) -> Any:
    """The forward's result; whatever it raises is NotCapturable."""
    try:
        return model(images.clone())
    except Exception as e:  # noqa: BLE001  # student code: anything can come out
        raise NotCapturable(
            f"the network raised {type(e).__name__} on images of shape {tuple(images.shape)}: {_first_line(e)}"
        ) from None


def _runs(model: nn.Module, input_shape: tuple[int, int, int], count: int) -> bool:
    """Whether a forward on so few images works: false where the batch size is written into the code."""
    try:
        with torch.no_grad(), _model_kept(model):
            _call(model, _images(input_shape, count))
    except NotCapturable:
        return False
    return True


@dataclass(frozen=True)
class Observed:
    """A Run of the network itself, which of its outputs is the answer, and what a trace would not see.

    `changed` are the attributes that the forward sets and does not compute with.
    """

    run: Run
    index: int
    custom: str
    changed: tuple[str, ...] = ()


def _observe(model: nn.Module, images: Tensor) -> Observed:
    """Run the network; the generators start where `_replay` starts them. Raises Unfaithful for hidden state."""
    state = _python_state(model)
    with _attributes_kept(model, TORCHS_OWN):
        observed = _observed(model, images)
        changed = _changes(state, _python_state(model))
    if changed:
        _must_not_matter(model, images, observed.run, changed)
    return replace(observed, changed=changed)


def _observed(model: nn.Module, images: Tensor) -> Observed:
    """One run; buffers are afterwards as before."""
    before = _foreign_random_state()
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    parameters = list(model.parameters())
    weights = [p.detach().clone() for p in parameters]
    _seed()
    result = _call(model, images)
    if _foreign_random_state() != before:
        raise Unfaithful(
            "its forward draws random numbers from Python's random or from numpy, which a graph would freeze to one "
            "constant; use torch.rand or torch.bernoulli."
        )
    if {id(p) for p in model.parameters()} != {id(p) for p in parameters}:
        raise Unfaithful("its forward makes layers of its own at each call; make them once, in __init__.")
    if not all(_same(p, w) for p, w in zip(parameters, weights, strict=True)):
        raise Unfaithful("its forward changes its own weights; leave that to the optimizer.")
    index, output = answer(result)
    if not output.requires_grad and model.training and any(p.requires_grad for p in parameters):
        raise Unfaithful(NO_GRADIENT)
    after = {name: b.detach().clone() for name, b in model.named_buffers()}
    custom = _custom_function(output)
    run = Run(output.detach(), _gradients(output, parameters), after)
    _put_back(model, buffers)
    return Observed(run, index, custom)


def _put_back(model: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Give the buffers their former numbers."""
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if not _same(buffer, buffers[name]):
                buffer.copy_(buffers[name])


def _must_not_matter(model: nn.Module, images: Tensor, run: Run, changed: tuple[str, ...]) -> None:
    """Run the network again with something else in the attributes that it changes; raise Unfaithful for another run."""
    for disturb in (_after_other_images, _with_other_numbers):
        buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        try:
            with _attributes_kept(model, TORCHS_OWN):
                disturb(model, images, changed)
                _put_back(model, buffers)
                again = _observed(model, images).run
        except NotCapturable:
            again = None
        if again is None or not _alike(run, again):
            raise Unfaithful(
                f"its forward changes self.{changed[0]} and computes with it in the next call; a forward must not keep "
                "state on the module. Keep numbers that must last in a buffer (register_buffer)."
            )


def _after_other_images(model: nn.Module, images: Tensor, changed: tuple[str, ...]) -> None:  # noqa: ARG001  # as below
    _call(model, images.flip(0).neg() + 1)


def _with_other_numbers(model: nn.Module, images: Tensor, changed: tuple[str, ...]) -> None:  # noqa: ARG001  # as above
    """Other numbers in place of those that the forward changes: it may count, but not compute with the count."""
    modules = dict(model.named_modules())
    for path, _, key in (name.rpartition(".") for name in changed):
        value = getattr(modules[path], key, None)  # it may be the class's so far
        if isinstance(value, bool | int | float):
            setattr(modules[path], key, not value if isinstance(value, bool) else value + MANY)


def _alike(a: Run, b: Run) -> bool:
    """Whether two runs gave the same."""
    return (
        _close(a.output, b.output)
        and a.buffers.keys() == b.buffers.keys()
        and all(_close(buffer, b.buffers[name]) for name, buffer in a.buffers.items())
        and all(_close(x, y, tolerance=1e-3) for x, y in zip(a.gradients, b.gradients, strict=True))
    )


def _seed() -> None:
    """The same random numbers for the network and for its graph."""
    torch.manual_seed(20190511)


def answer(result: object) -> tuple[int, Tensor]:
    """The output that is (images, classes), or the first tensor, with its place among all outputs."""
    leaves = list(enumerate(tree_leaves(result)))
    tensors = [(i, t) for i, t in leaves if isinstance(t, Tensor)]
    if not tensors:
        raise NotCapturable(f"its forward returns {type(result).__name__}, not a tensor of scores.")
    return next(((i, t) for i, t in tensors if t.dim() == 2), tensors[0])  # rows and columns


def _gradients(output: Tensor, parameters: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
    """Gradients of a fixed random weighting of the output, None where it does not depend on the parameter."""
    wanted = [p for p in parameters if p.requires_grad]
    if not output.requires_grad or not wanted:
        return tuple(None for _ in wanted)
    weighting = torch.randn(output.shape, generator=torch.Generator().manual_seed(20190512), dtype=output.dtype)
    try:
        return torch.autograd.grad((output * weighting).sum(), wanted, allow_unused=True)
    except Exception as e:  # noqa: BLE001  # a custom backward is student code too
        raise NotCapturable(f"its backward raised {type(e).__name__}: {_first_line(e)}") from None


def _custom_function(output: Tensor) -> str:
    """The name of a torch.autograd.Function of the student's behind the output, or ""."""
    waiting: list[Any] = [output.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return type(node).__name__.removesuffix("Backward")
        waiting.extend(following for following, _ in node.next_functions)
    return ""


def _python_state(model: nn.Module) -> dict[str, object]:
    """Attributes that torch does not keep itself: plain values, containers by size, the rest by identity."""
    state: dict[str, object] = {}
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in TORCHS_OWN:
                name = f"{path}.{key}" if path else key
                state[name] = _glance(value)
    return state


def _glance(value: object) -> object:
    if value is None or isinstance(value, int | float | str):
        return value
    return (id(value), len(value) if isinstance(value, dict | list | set) else 0)


def _changes(before: dict[str, object], after: dict[str, object]) -> tuple[str, ...]:
    """The attributes that were added, removed or changed."""
    return tuple(k for k in {**after, **before} if before.get(k, before) != after.get(k, after))


# --- the trace ----------------------------------------------------------------------------------------------------


def _traced(model: nn.Module, images: Tensor, observed: Observed, *, dynamic: bool) -> Any:
    """The exported program; if need be of a forward whose side glances (numbers printed, arrays kept) are blanked.

    What is blanked and yet computed with shows when the graph is compared. Raises NotCapturable.
    """
    with _putting_back(model) if observed.changed else contextlib.nullcontext():
        try:
            return _export(model, images, dynamic=dynamic)
        except NotCapturable as e:
            if not LEAVES_TORCH.search(str(e)):
                raise
            with _blanks():
                try:
                    return _export(model, images, dynamic=dynamic)
                except NotCapturable:
                    raise e from None


LEAVES_TORCH = re.compile(r"numpy|__format__")


@contextlib.contextmanager
def _putting_back(model: nn.Module) -> Iterator[None]:
    """Within, each forward of the whole network puts back what it set on its modules, buffers apart."""
    forward = model.forward

    @functools.wraps(forward)
    def tidy(*args: Any, **kwargs: Any) -> Any:
        with _attributes_kept(model, TORCHS_OWN):
            return forward(*args, **kwargs)

    with _attributes_kept(model, TORCHS_OWN):
        vars(model)["forward"] = tidy
        yield


@contextlib.contextmanager
def _blanks() -> Iterator[None]:
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


def _export(model: nn.Module, images: Tensor, *, dynamic: bool) -> Any:
    """torch.export's ExportedProgram, or NotCapturable in the student's terms."""
    sizes = ({0: torch.export.Dim("batch", min=2, max=LARGEST_BATCH)},) if dynamic else None
    try:
        program = TRACE(model, (images,), dynamic_shapes=sizes, strict=False)
    except Exception as e:  # noqa: BLE001  # student code runs inside, and torch raises many kinds
        raise NotCapturable(_reason(e)) from None
    if any(spec.kind is not OutputKind.USER_OUTPUT for spec in program.graph_signature.output_specs):
        raise NotCapturable("its forward hands out more than scores (a changed input or buffer).")
    return program


DATA_DEPENDENT = (
    "its forward decides by the values in a tensor (an `if`, `while`, `int()` or `.item()` on a result), so it is "
    "not one fixed graph; decide by shapes or by self.training instead."
)
REASONS: tuple[tuple[str, str], ...] = (
    (r"data.dependent|GuardOnDataDependent|DynamicOutputShape|_local_scalar_dense", DATA_DEPENDENT),
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
    return f"torch.export cannot trace its forward: {type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    """The start of an error's text."""
    return (str(error).strip().splitlines() or ["no message"])[0][:300]


# --- the form that crosses to the trusted side --------------------------------------------------------------------


class Tensors:
    """The tensors of both graphs: each once, under a name fit for JSON; every parameter, and the buffers in use."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.buffers = dict(model.named_buffers(remove_duplicate=False))
        self._kept: dict[str, tuple[Tensor, str]] = {}
        for name, parameter in model.named_parameters():
            self.keep(name, parameter, "parameter" if parameter.requires_grad else "frozen")

    def keep(self, name: str, tensor: Tensor, kind: str) -> str:
        """Keep a tensor if it is new and return its name here; tied weights and equal constants are kept once."""
        for known, (other, other_kind) in self._kept.items():
            if other is tensor or (kind == other_kind == "constant" and _equal_constants(other, tensor)):
                return known
        known = name if SAFE_NAME.fullmatch(name) and name not in self._kept else f"_tensor{len(self._kept)}"
        self._kept[known] = (tensor, kind)
        return known

    def specs(self) -> list[dict[str, Any]]:
        """Name, shape, dtype and kind of each."""
        return [
            {"name": name, "shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch."), "kind": kind}
            for name, (t, kind) in self._kept.items()
        ]

    def copies(self) -> dict[str, Tensor]:
        """Plain contiguous copies."""
        return {
            name: t.detach().as_subclass(Tensor).clone(memory_format=torch.contiguous_format)
            for name, (t, _) in self._kept.items()
        }


def _equal_constants(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and _same(a, b)


class Encoder:
    """One exported graph -> {"nodes", "output", "outputs"}."""

    def __init__(self, program: Any, tensors: Tensors, mode: str) -> None:
        self._program = program
        self._tensors = tensors
        self._mode = mode
        self._values: dict[Any, dict[str, Any]] = {}
        self._nodes: list[list[Any]] = []

    def encode(self, index: int) -> dict[str, Any]:
        """The graph, of which the output at `index` is the answer."""
        graph, specs = self._program.graph, self._program.graph_signature.input_specs
        for node, spec in zip(graph.find_nodes(op="placeholder"), specs, strict=True):
            self._values[node] = self._placeholder(spec)
        outputs = next(iter(graph.find_nodes(op="output"))).args[0]
        live = _live(graph, outputs[index])
        for node in graph.nodes:
            if node in live and node.op not in ("placeholder", "output"):
                self._add(node)
        return {"nodes": self._nodes, "output": self._values[outputs[index]], "outputs": len(outputs)}

    def _placeholder(self, spec: Any) -> dict[str, Any]:
        if spec.kind is InputKind.USER_INPUT:
            return {"node": 0}
        if spec.kind is InputKind.PARAMETER:
            parameter = self._tensors.parameters[spec.target]
            return {"tensor": self._tensors.keep(spec.target, parameter, "parameter")}
        if spec.kind is InputKind.BUFFER:
            return {"tensor": self._tensors.keep(spec.target, self._tensors.buffers[spec.target], "buffer")}
        if spec.kind is InputKind.CONSTANT_TENSOR:
            constant = self._program.constants[spec.target]
            return {"tensor": self._tensors.keep(f"{self._mode}.{spec.target}", constant, "constant")}
        raise NotCapturable(f"its forward uses {spec.target}, which is not a tensor.")

    def _add(self, node: Any) -> None:
        if node.op != "call_function":
            raise NotCapturable(
                "its forward holds a block that torch keeps apart (torch.no_grad, autocast, checkpoint or a "
                "control-flow operator); leave it out, the grader decides when gradients are kept."
            )
        name = PYTHON_OPS.get(node.target) or str(node.target)
        if not isinstance(node.target, torch._ops.OpOverload) and not name.startswith("python."):  # noqa: SLF001  # the public name of this type
            raise NotCapturable(f"its forward uses {name}, which is not an operation on tensors.")
        if name.startswith(("aten.item", "aten._local_scalar_dense")):
            raise NotCapturable(DATA_DEPENDENT)
        keywords = {key: self._value(value) for key, value in node.kwargs.items()}
        self._nodes.append([name, [self._value(value) for value in node.args], keywords])
        self._values[node] = {"node": len(self._nodes)}

    def _value(self, value: Any) -> Any:
        """One argument in JSON's terms."""
        if isinstance(value, torch.fx.Node):
            return self._values[value]
        if isinstance(value, list | tuple):
            return [self._value(v) for v in value]
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float):
            if value != value or value in (float("inf"), float("-inf")):
                raise NotCapturable("its forward uses an infinite number or NaN as a constant; use a large number.")
            return value
        return self._setting(value)

    def _setting(self, value: Any) -> Any:
        """A dtype, device, layout or memory format."""
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, torch.memory_format):
            return {"memory_format": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device) and value.type != "cpu":
            raise NotCapturable(f"its forward moves tensors to {value}; leave the device to the grader.")
        if isinstance(value, torch.device) or value is torch.strided:
            return None
        raise NotCapturable(f"its forward gives an operation a {type(value).__name__}, which has no place in a graph.")


def _live(graph: Any, answer: Any) -> set[Any]:
    """Nodes that the answer, a buffer or the random numbers depend on; torch's own checks are left out."""
    live: set[Any] = set()
    waiting = [answer, *(n for n in graph.nodes if _has_effect(n))]
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting.extend(node.all_input_nodes)
    return live


def _has_effect(node: Any) -> bool:
    """Whether a node does more than give its result: writes a tensor, draws random numbers, or is a block."""
    if node.op == "get_attr" or node.op != "call_function" or CHECKS.search(str(node.target)):
        return False
    if not isinstance(node.target, torch._ops.OpOverload):  # noqa: SLF001  # the public name of this type
        return node.target not in PYTHON_OPS and "item" not in str(node.target)
    return node.target._schema.is_mutable or torch.Tag.nondeterministic_seeded in node.target.tags  # noqa: SLF001


# --- is the graph the network? ------------------------------------------------------------------------------------


def _compare(program: Any, model: nn.Module, images: Tensor, observed: Observed, mode: str) -> None:
    """Run the graph as the network was run; raise Unfaithful where output, buffers or gradients differ."""
    replayed = _replay(program, model, images, observed.index)
    expected = observed.run
    where = "training" if mode == "train" else "evaluation"
    if not _close(expected.output, replayed.output):
        raise Unfaithful(
            f"its graph gives other outputs than its forward in {where} mode: the forward depends on something besides "
            "its input, its weights and torch's random numbers (a global, the time, another random generator)."
        )
    for name, buffer in replayed.buffers.items():
        if not _close(expected.buffers[name], buffer):
            raise Unfaithful(f"its forward updates {name} in a way that its graph does not.")
    pairs = zip(expected.gradients, replayed.gradients, strict=True)
    if not all(_close(a, b, tolerance=1e-3) for a, b in pairs):
        name = observed.custom or "a custom torch.autograd.Function or hook"
        raise Unfaithful(
            f"its gradients are not those of its forward: {name} has a backward of its own, which a graph cannot "
            "hold. Use torch's operations, whose gradients torch knows."
        )


def _replay(program: Any, model: nn.Module, images: Tensor, index: int) -> Run:
    """Run an exported graph node by node on the model's parameters and on copies of its buffers."""
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    first = {id(b): name for name, b in model.named_buffers()}
    everywhere = {name: buffers[first[id(b)]] for name, b in model.named_buffers(remove_duplicate=False)}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    tables = {
        InputKind.PARAMETER: parameters,
        InputKind.BUFFER: everywhere,
        InputKind.CONSTANT_TENSOR: program.constants,
    }
    values: dict[Any, Any] = {}
    nodes = iter(program.graph.nodes)
    for spec in program.graph_signature.input_specs:
        values[next(nodes)] = images.clone() if spec.kind is InputKind.USER_INPUT else tables[spec.kind][spec.target]
    _seed()
    for node in nodes:
        arguments = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "output":
            output = arguments[0][0][index]
        elif not CHECKS.search(str(node.target)):
            values[node] = node.target(*arguments[0], **arguments[1])
    return Run(output.detach(), _gradients(output, list(model.parameters())), buffers)


def _close(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-5) -> bool:
    """Equal up to rounding, measured against the largest entry; None and zeros are one."""
    if a is None or b is None:
        only = b if a is None else a
        return only is None or not bool(only.any())
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    scale = float(a.abs().max()) if a.numel() else 0.0
    return torch.allclose(a.double(), b.double(), rtol=0, atol=tolerance * max(scale, 1e-6), equal_nan=True)
