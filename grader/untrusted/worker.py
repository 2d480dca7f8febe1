"""The worker: the only process in which student code runs. Standard library, torch and its own few modules only.

It reads what was handed in, binds the names that the questions ask for, and answers the judge's requests with numbers.
Nothing here knows an answer, a label of the test set or a hidden check, and nothing it says is believed: the judge
compares numbers. Whatever student code raises, exits with or returns becomes a reply.

    request   body and tensors                                              replies
    load      questions, seed, packages; the files as bytes                 loaded, unreadable
    again     step: another way of finding what is still open; name         loaded
    run       name, weights?; inputs "0", "1", ..., weights "w.weight"      output
    capture   name, network, seed, batch                                    captured, uncapturable
    train     name, network, seed, recipe; images, labels, test_images      trained
Any request may be answered by `refused` (not what the question asks) or `raised` (student code raised).
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from grader import training, wire
from grader.graph import capture, habits
from grader.recipe import Recipe
from grader.source import notebook, settings
from grader.untrusted import answers, building, makers, outline, saving, shims
from grader.untrusted.reading import Reading
from grader.untrusted.shelf import described

WIDE = 4
"""A padding wider than the window: such a convolution is a matrix product, whose machine code takes 35 ms to make."""


def warm(*, networks: bool = True) -> None:
    """Run what every worker needs once, on one thread, so that a forked one finds it done.

    To write a network down for the first time takes seconds, which are spared where no question has one.
    """
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model(torch.zeros(4, 3, 8, 8))
    if networks:
        capture.capture(model, (3, 8, 8), 4)
    _run_layers()
    shims.install()  # here and not in each worker, for it touches every module: 10 MiB of memory that would be its own


def _run_layers() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, padding=WIDE), nn.MaxPool2d(2), nn.AvgPool2d(3), nn.Linear(9, 4))
    with torch.no_grad():
        images = torch.zeros(2, 3, 9, 9)
        for layer in layers:
            layer(images)


def exercise() -> None:
    """What nearly every worker does, in little."""
    rehearse()
    _run_layers()


REHEARSALS = 10  # Python rewrites a function in memory until it has run eight times
REHEARSED = b"""import torch
from torch import nn

layer = nn.Linear(9, 4)


def function(x, weight, bias):
    return nn.functional.linear(x, weight, bias)
"""


def rehearse() -> None:
    """Read a small submission and run its answers, a few times: what a worker does first has then been done before it.

    A worker owns each page of memory that it writes to, and Python writes while functions run for the first times.
    """
    asked: list[dict[str, Any]] = [{"name": name, "aliases": [], "role": None} for name in ("layer", "function")]
    question = {"id": "rehearsal", "answers": asked, "explanation": None, "network": None, "others": []}
    weights = {"weight": torch.zeros(4, 9), "bias": torch.zeros(4)}
    for _ in range(REHEARSALS):
        request = wire.unpack(wire.pack(wire.Message("run", {}, {"0": torch.zeros(2, 9)})))
        reading = Reading(notebook.open_({"rehearsal.py": REHEARSED}), [question])
        for name, value in reading.bound.items():
            answers.run_layer(name, value, [request.tensors["0"]], weights)
        wire.pack(wire.Message("loaded", reading.body()))
    del sys.modules["rehearsal"]


def serve(receive: wire.Receive, send: Callable[[bytes], object], ready: dict[str, Any] | None = None) -> None:
    """Say "ready" (with what stands around this worker), then answer requests until the judge closes the channel."""
    saving.install()
    desk = Desk()
    printed = _line_buffered()
    send(wire.pack(wire.Message("ready", ready or {})))
    with contextlib.suppress(wire.Closed):
        while True:
            request = wire.read(receive)
            reply = _packed(dataclasses.replace(desk.answer(request), number=request.number))
            for stream in printed:
                with contextlib.suppress(OSError, ValueError):  # student code may have closed it
                    stream.flush()
            send(reply)


def _line_buffered() -> list[io.TextIOWrapper]:
    """Our stdout and stderr, set so that what was printed is out when the process is killed."""
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    for stream in streams:
        stream.reconfigure(line_buffering=True)
    return streams


def _packed(reply: wire.Message) -> bytes:
    try:
        return wire.pack(reply)
    except (ValueError, NotImplementedError, RuntimeError) as e:  # what student code made is no plain tensor
        refusal = wire.Message("refused", {"message": f"the result cannot be handed over: {e}."}, number=reply.number)
        return wire.pack(refusal)


def _seed(seed: int) -> None:
    """Seed what draws numbers here. torch.manual_seed would also write its caller's stack down, for a GPU to come."""
    torch.default_generator.manual_seed(seed)


class Desk:
    """What this worker has read so far, and its answers."""

    def __init__(self) -> None:
        self._reading: Reading | None = None

    def answer(self, request: wire.Message) -> wire.Message:
        """The reply to a request, whatever student code does in it."""
        handlers = {
            "load": self._load,
            "again": self._again,
            "run": self._run,
            "capture": self._capture,
            "train": self._train,
        }
        try:
            return handlers[request.kind](request)
        except building.NotAnAnswer as e:
            return wire.Message("refused", {"message": str(e)})
        except BaseException as e:  # noqa: BLE001  # student code raises what it likes, SystemExit included
            return wire.Message("raised", described(self._reading.cause_of(e) if self._reading else e))

    def _load(self, request: wire.Message) -> wire.Message:
        _seed(request.body["seed"])
        files = {name: request.tensors[str(i)].numpy().tobytes() for i, name in enumerate(request.body["files"])}
        try:
            book = notebook.open_(files)
        except notebook.ProblemError as e:
            return wire.Message("unreadable", {"message": str(e)})
        sys.meta_path.insert(0, book.modules)
        shims.stand_in(request.body.get("packages", ()))
        self._reading = Reading(book, request.body["questions"])
        return wire.Message("loaded", self._reading.body())

    def _again(self, request: wire.Message) -> wire.Message:
        _seed(request.body["seed"])
        assert self._reading is not None  # noqa: S101  # the judge loads first
        if request.body["step"] == "call":
            self._reading.complete(request.body["name"])
        else:
            self._reading.again(request.body["step"])
        return wire.Message("loaded", self._reading.body())

    def _answer(self, name: str) -> object:
        """What is bound to a name that was asked for."""
        assert self._reading is not None  # noqa: S101  # the judge loads first
        return self._reading.bound[name]

    def _run(self, request: wire.Message) -> wire.Message:
        name = request.body["name"]
        inputs = [request.tensors[str(i)] for i in range(request.body["inputs"])]
        weights = {k[2:]: v for k, v in request.tensors.items() if k.startswith("w.")}
        _seed(request.body["seed"])
        run = answers.run_layer(name, self._answer(name), inputs, weights or None)
        own = {} if weights else {f"w.{k}": v for k, v in run.weights.items()}  # who gave weights has them
        return wire.Message("output", {}, {"output": run.output, **own})

    def _capture(self, request: wire.Message) -> wire.Message:
        model, note = self._model(request)
        shape, classes = tuple(request.body["network"]["input_shape"]), request.body["network"]["classes"]
        try:
            captured = capture.capture(model, shape, request.body["batch"], classes)
        except capture.NotCapturable as e:
            return wire.Message("uncapturable", {"reason": str(e)})
        note = "; ".join(p for p in (note, captured.note, *habits.found(model, shape, classes), *shims.said()) if p)
        return wire.Message("captured", {"ir": captured.ir, "note": note}, captured.tensors)

    def _train(self, request: wire.Message) -> wire.Message:
        recipe = Recipe(**request.body["recipe"])
        seed = request.body["seed"]
        model, note = self._model(request)
        shape, classes = tuple(request.body["network"]["input_shape"]), request.body["network"]["classes"]
        note = "; ".join(filter(None, (note, *habits.found(model, shape, classes))))
        layers = outline.outline(model, shape)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        images = (request.tensors["images"], request.tensors["labels"], request.tensors["test_images"])
        before = {key: value.clone() for key, value in model.state_dict().items()}
        done = training.train(model, *images, recipe, request.body["training_seed"], contiguous=True)
        with torch.no_grad():  # a name may be bound to the network itself, which is then trained from another seed
            for key, value in model.state_dict().items():
                value.copy_(before.get(key, value))
        told = {"parameters": parameters, "layers": layers, "note": "; ".join(filter(None, (note, *shims.said())))}
        body = {"curve": done.curve, "seconds": done.seconds, "seed": seed, **told}
        return wire.Message("trained", body, {"logits": done.logits, "initial_logits": done.initial_logits})

    def _model(self, request: wire.Message) -> tuple[nn.Module, str]:
        """The network that a request asks for, and what is to be said of how it was made."""
        network = request.body["network"]
        bound, told = self._bound(request.body["name"])
        made = makers.made(bound, tuple(network["input_shape"]), network["classes"], request.body["seed"])
        filled = dict.fromkeys((*told, *settings.said()))
        return made.model, "; ".join(filter(None, (made.note, *filled)))

    def _bound(self, name: str) -> tuple[makers.Bound, tuple[str, ...]]:
        """What a name is bound to that should be a network, and what is to be said of how it was found."""
        assert self._reading is not None  # noqa: S101  # the judge loads first
        return self._reading.network(name), self._reading.told(name)
