"""Layer demonstrations without names -> the layers that were really used. Beside student code: stdlib and torch only.

Theory of operation. Much homework is written like the lecture's cells: `m = nn.Conv2d(...)`, `output = m(input)`, and
`m` bound again; no names, no seed. The statements are run one by one under a watch that sees two things: layers that a
statement binds, and layers that are called, whether as objects or as functions. Of each the kind, the settings and the
weights are noted. A layer that is called inside a network is a part of it and no demonstration: what one call of one
object sets off counts only if it is a single layer.

Which layer answers which name is said by the assignment, as the role of the name (`fitting`). The layer is then built
anew from what was noted and is an answer like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from grader.source.files import Place
from grader.source.notebook import Block, Book
from grader.source.running import Run

MOST = 500  # calls that are noted; a loop over batches makes thousands
PAIRS = frozenset({"kernel_size", "stride", "padding", "dilation"})

Settings = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of layer: its module, and what calls it as a function, with the names of the parameters."""

    module: type[nn.Module]
    functions: tuple[Any, ...]
    parameters: tuple[str, ...]
    settings: tuple[str, ...]


_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_MAX = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

KINDS: dict[str, Kind] = {
    "conv2d": Kind(
        nn.Conv2d,
        (F.conv2d, torch.conv2d),
        _CONV,
        ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"),
    ),
    "max_pool2d": Kind(nn.MaxPool2d, (F.max_pool2d, torch.max_pool2d), _MAX, (*_MAX[1:6],)),
    "avg_pool2d": Kind(nn.AvgPool2d, (F.avg_pool2d,), _AVG, _AVG[1:]),
    "relu": Kind(nn.ReLU, (F.relu, torch.relu, torch.relu_, F.relu_, Tensor.relu, Tensor.relu_), ("input",), ()),
    "linear": Kind(nn.Linear, (F.linear,), ("input", "weight", "bias"), ("in_features", "out_features")),
}
_BY_FUNCTION = {function: name for name, kind in KINDS.items() for function in kind.functions}
_DEFAULTS: Settings = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "padding_mode": "zeros",
    "ceil_mode": False,
    "return_indices": False,
    "count_include_pad": True,
    "divisor_override": None,
}


@dataclass(frozen=True)
class Layer:
    """A layer that was seen: its kind, settings and weights, where, and the shapes that it was called with."""

    kind: str
    settings: Settings
    weights: dict[str, Tensor] = field(repr=False)
    place: Place
    shapes: tuple[tuple[int, ...], ...] = ()

    def build(self) -> nn.Module:
        """The same layer, made anew."""
        settings = {k: v for k, v in self.settings.items() if k != "return_indices"}
        if self.kind in ("conv2d", "linear"):
            settings["bias"] = "bias" in self.weights
        layer = KINDS[self.kind].module(**settings)
        layer.load_state_dict(self.weights)
        return layer

    def __str__(self) -> str:
        """As one writes it: nn.Conv2d(16, 33, 3, stride=2)."""
        default = {k: _pair(k, v) for k, v in _DEFAULTS.items()}
        if "pool" in self.kind:
            default["stride"] = self.settings["kernel_size"]
        first = [str(_short(v)) for k, v in self.settings.items() if k not in _DEFAULTS]
        then = [f"{k}={_short(v)!r}" for k, v in self.settings.items() if k in _DEFAULTS and v != default[k]]
        lacks = ["bias=False"] if self.kind in ("conv2d", "linear") and "bias" not in self.weights else []
        return f"nn.{KINDS[self.kind].module.__name__}({', '.join([*first, *then, *lacks])})"

    @property
    def story(self) -> str:
        """What it was called with, if it was."""
        return f", which gave {self.shapes[1]} for {self.shapes[0]}" if len(self.shapes) > 1 else ""


def _pair(key: str, value: Any) -> Any:
    return (value, value) if key in PAIRS and isinstance(value, int) else value


def _short(value: Any) -> Any:
    """(3, 3) as 3."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


# --------------------------------------------------------------------------------------------------------- recording


def record(book: Book, question: str) -> list[Layer]:
    """Run the statements of a question's file, or of all files, that only build and compute; the layers seen."""
    spaces = {file: book.space(file) for file in book.files}
    run, watch = Run(), Watch()
    with watch:
        for block in book.demonstrations(question).blocks:
            watch.begin(block)
            run.block(block, spaces[block.space].__dict__)
            watch.end(spaces[block.space].__dict__)
    return watch.layers()


class Watch(TorchFunctionMode):
    """Sees layers that are bound and layers that are called, while statements run."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[tuple[int, Layer]] = []  # (the call of an outermost object, 0 for none; the layer)
        self._place = Place("", 0, 0)
        self._binds: tuple[str, ...] = ()
        self._depth = 0
        self._call = 0
        self._hooks: list[Any] = []

    def __enter__(self) -> Watch:
        self._hooks = [
            register_module_forward_pre_hook(self._enters),
            register_module_forward_hook(self._leaves, always_call=True),
        ]
        super().__enter__()  # type: ignore[no-untyped-call]  # torch's own
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # torch's own
        for hook in self._hooks:
            hook.remove()

    def begin(self, block: Block) -> None:
        """A statement is about to run."""
        self._place, self._binds, self._depth = block.place, block.binds, 0

    def end(self, namespace: dict[str, Any]) -> None:
        """It has run: what it bound is looked at."""
        for name in self._binds:
            if (layer := _bound(namespace.get(name), self._place)) and len(self._seen) < MOST:
                self._seen.append((0, layer))

    def _enters(self, module: nn.Module, inputs: Any) -> None:  # noqa: ARG002  # torch's signature
        self._call += self._depth == 0
        self._depth += 1

    def _leaves(self, module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG002  # torch's signature
        self._depth -= 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if (kind := _of_function(func)) and len(self._seen) < MOST:
            layer = _called(kind, args, kwargs or {}, output, self._place)
            self._seen += [(self._call if self._depth else 0, layer)] if layer else []
        return output

    def layers(self) -> list[Layer]:
        """What was seen, without the parts of networks."""
        calls = [call for call, _ in self._seen if call]
        return [layer for call, layer in self._seen if not call or calls.count(call) == 1]


def _of_function(function: Any) -> str | None:
    try:
        return _BY_FUNCTION.get(function)
    except TypeError:  # not everything that torch calls can be hashed
        return None


def _bound(value: object, place: Place) -> Layer | None:
    """The layer that an object is."""
    for name, kind in KINDS.items():
        if type(value) is kind.module:
            settings = {k: _pair(k, getattr(value, k)) for k in kind.settings if hasattr(value, k)}
            return Layer(name, settings, _copied(value.state_dict()), place)
    return None


def _called(kind: str, args: Sequence[Any], kwargs: Settings, output: Any, place: Place) -> Layer | None:
    """The layer that a call of a function was; None for one of another form."""
    known = KINDS[kind]
    given = dict(zip(known.parameters, args, strict=False)) | kwargs
    inputs, output = given.get("input"), output[0] if isinstance(output, tuple) else output
    if not isinstance(inputs, Tensor) or not isinstance(output, Tensor):
        return None
    weights = {k: given[k] for k in ("weight", "bias") if isinstance(given.get(k), Tensor)}
    if "stride" in given and given["stride"] is None:
        given["stride"] = given.get("kernel_size")
    settings = _shape_settings(kind, weights, given) | {
        k: _pair(
            k, _plain(given.get(k, given.get("kernel_size") if k == "stride" and "pool" in kind else _DEFAULTS[k]))
        )
        for k in known.settings
        if k in _DEFAULTS
    }
    ordered = {k: settings[k] for k in known.settings}
    return Layer(kind, ordered, _copied(weights), place, (tuple(inputs.shape), tuple(output.shape)))


def _shape_settings(kind: str, weights: dict[str, Tensor], given: Settings) -> Settings:
    """The settings that a function is told by the shape of its weight."""
    if kind == "conv2d":
        out, inside, *window = weights["weight"].shape
        return {"in_channels": inside * given.get("groups", 1), "out_channels": out, "kernel_size": tuple(window)}
    if kind == "linear":
        out, inside = weights["weight"].shape
        return {"in_features": inside, "out_features": out}
    return {"kernel_size": _pair("kernel_size", _plain(given["kernel_size"]))} if "pool" in kind else {}


def _plain(value: Any) -> Any:
    return tuple(value) * (2 if len(value) == 1 else 1) if isinstance(value, list | tuple) else value


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in weights.items()}


# ------------------------------------------------------------------------------------------------------------- roles


def fitting(role: Settings, layers: Iterable[Layer]) -> list[Layer]:
    """The layers that can play a role, one for each distinct one, the last of its equals; only the best ones.

    `op` is the kind, each of `where` must hold, and of `rather` as many as hold of any.
    """
    fit = [x for x in layers if x.kind == role["op"] and all(_holds(x, k, v) for k, v in role["where"].items())]
    distinct = list({(str(x), x.kind): x for x in fit}.values())
    scores = [sum(_holds(x, k, v) for k, v in role["rather"].items()) for x in distinct]
    return [x for x, score in zip(distinct, scores, strict=True) if score == max(scores)]


def _holds(layer: Layer, key: str, wanted: object) -> bool:
    found = layer.settings.get(key)
    words = {
        "square": lambda: isinstance(found, tuple) and len(set(found)) == 1,
        "rectangle": lambda: isinstance(found, tuple) and len(set(found)) > 1,
        "none": lambda: found in (_pair(key, _DEFAULTS.get(key)), "valid"),
        "some": lambda: found not in (_pair(key, _DEFAULTS.get(key)), "valid"),
    }
    if isinstance(wanted, str) and wanted in words:
        return words[wanted]()
    return bool(found == _pair(key, tuple(wanted) if isinstance(wanted, list) else wanted))
