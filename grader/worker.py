"""The worker: the only process in which student code runs. Standard library, torch and its own few modules only.

It reads what was handed in, binds the names that the questions ask for, and answers the judge's requests with numbers.
Nothing here knows an answer, a label of the test set or a hidden check, and nothing it says is believed: the judge
compares numbers. Whatever student code raises, exits with or returns becomes a reply.

    request   body and tensors                                              replies
    load      questions, seed, packages, by_role; the files as bytes        loaded
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
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from grader import answers, notebook, shims, training, wire
from grader.graph import capture
from grader.recipe import Recipe

Question = dict[str, Any]
DETAIL_CHARACTERS = 4000
MOST_CANDIDATES = 20  # classes tried for a network that has no known name
OWN_CODE = str(Path(__file__).resolve().parent)


def warm() -> None:
    """Run what every worker needs once, on one thread, so that a forked one finds it done."""
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    capture.capture(model, (3, 8, 8), 4)


def serve(receive: wire.Receive, send: Callable[[bytes], object], ready: dict[str, Any] | None = None) -> None:
    """Say "ready" (with what stands around this worker), then answer requests until the judge closes the channel."""
    shims.install()
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


class Desk:
    """What this worker has read so far, and its answers."""

    def __init__(self) -> None:
        self._bound: dict[str, object] = {}

    def answer(self, request: wire.Message) -> wire.Message:
        """The reply to a request, whatever student code does in it."""
        handlers = {"load": self._load, "run": self._run, "capture": self._capture, "train": self._train}
        try:
            return handlers[request.kind](request)
        except answers.NotAnAnswer as e:
            return wire.Message("refused", {"message": str(e)})
        except BaseException as e:  # noqa: BLE001  # student code raises what it likes, SystemExit included
            return wire.Message("raised", described(e))

    def _load(self, request: wire.Message) -> wire.Message:
        torch.manual_seed(request.body["seed"])
        files = {name: request.tensors[str(i)].numpy().tobytes() for i, name in enumerate(request.body["files"])}
        try:
            book = notebook.open_(files)
        except notebook.ProblemError as e:
            return wire.Message("refused", {"message": str(e)})
        sys.meta_path.insert(0, book.modules)
        shims.StandIns(request.body.get("packages", ())).install()
        by_role = request.body.get("by_role", True)
        read = {question["id"]: self._read(book, question, by_role) for question in request.body["questions"]}
        return wire.Message("loaded", {"questions": read, "problems": list(book.problems), "notes": list(book.notes)})

    def _read(self, book: notebook.Book, question: Question, by_role: bool) -> dict[str, Any]:
        """Bind one question's names; says what was found where, what was not, and what its statements raised."""
        taken = {_named(book, other) for other in question["others"]}
        found = {
            a["name"]: notebook.find(book, a["name"], a["aliases"], question["id"], taken) for a in question["answers"]
        }
        piece = book.slice([f.name for f in found.values() if f.name], question["id"])
        shelf = Shelf(book, piece)
        names = {answer: self._bind(answer, f, shelf) for answer, f in found.items()}
        for answer, state in names.items():
            if state["state"] == "missing" and not found[answer].name:
                sought = by_role and question["network"] and not found[answer].several
                names[answer] = (sought and self._bind_by_role(answer, book, question, taken)) or _with_unread(
                    state, book
                )
        explanation = question["explanation"]
        return {
            "names": names,
            "kept": list(piece.kept),
            "dropped": [*piece.problems, *piece.dropped],
            "explanation": book.explanation(explanation["name"], explanation["headings"]) if explanation else None,
        }

    def _bind(self, answer: str, found: notebook.Found, shelf: Shelf) -> dict[str, Any]:
        if not found.name:
            return {"state": "missing", "message": found.rule}
        if not shelf.has(found.name):
            return {"state": "raised", **shelf.error_of(found.name)}
        value = shelf.get(found.name)
        if value is None or value is ...:
            message = f"{found.name} is still {value} ({found.place}): put your own answer there"
            return {"state": "missing", "message": message}
        self._bound[answer] = value
        return {"state": "found", "rule": f"{found.rule} ({found.place})"}

    def _bind_by_role(
        self, answer: str, book: notebook.Book, question: Question, taken: set[str]
    ) -> dict[str, Any] | None:
        """A network under no known name: the one class or object that maps the images to scores of the classes."""
        network = question["network"]
        candidates = [c for c in book.candidates(question["id"]) if c.name not in taken and c.kind != "function"]
        fitting: dict[str, object] = {}
        for candidate in candidates[:MOST_CANDIDATES]:
            shelf = Shelf(book, book.slice([candidate.name], question["id"]))
            if shelf.has(candidate.name) and _fits(candidate.name, shelf.get(candidate.name), network):
                fitting[candidate.name] = shelf.get(candidate.name)
        classes: dict[str, object] = {name: value for name, value in fitting.items() if isinstance(value, type)}
        fitting = classes or fitting
        shape = f"(N, {', '.join(map(str, network['input_shape']))}) to (N, {network['classes']})"
        before = [o["name"] for o in question["others"] if o["network_before"] and not _named(book, o)]
        if len(fitting) == 1 and before:
            message = f"{next(iter(fitting))} was taken for {before[0]}: if it is {answer}, name it so"
            return {"state": "missing", "message": message}
        if len(fitting) == 1:
            name, self._bound[answer] = next(iter(fitting.items()))
            return {"state": "found", "rule": f"{name} was taken for {answer}: it alone maps {shape}"}
        if fitting:
            names = ", ".join(fitting)
            return {"state": "missing", "message": f"{names} each map {shape}: name the right one {answer}"}
        return None

    def _run(self, request: wire.Message) -> wire.Message:
        name = request.body["name"]
        inputs = [request.tensors[str(i)] for i in range(request.body["inputs"])]
        weights = {k[2:]: v for k, v in request.tensors.items() if k.startswith("w.")}
        torch.manual_seed(request.body["seed"])
        run = answers.run_layer(name, self._bound[name], inputs, weights or None)
        return wire.Message("output", {}, {"output": run.output, **{f"w.{k}": v for k, v in run.weights.items()}})

    def _capture(self, request: wire.Message) -> wire.Message:
        model = self._model(request)
        network = request.body["network"]
        note = _checked_output(request.body["name"], model, network)
        try:
            captured = capture.capture(model, tuple(network["input_shape"]), request.body["batch"])
        except capture.NotCapturable as e:
            return wire.Message("uncapturable", {"reason": str(e), "note": note})
        note = "; ".join(part for part in (note, *shims.said()) if part)
        return wire.Message("captured", {"ir": captured.ir, "note": note}, captured.tensors)

    def _train(self, request: wire.Message) -> wire.Message:
        recipe = Recipe(**request.body["recipe"])
        seed = request.body["seed"]
        model = self._model(request)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        images = (request.tensors["images"], request.tensors["labels"], request.tensors["test_images"])
        before = {key: value.clone() for key, value in model.state_dict().items()}
        done = training.train(model, *images, recipe, request.body["training_seed"], contiguous=True)
        with torch.no_grad():  # a name may be bound to the network itself, which is then trained from another seed
            for key, value in model.state_dict().items():
                value.copy_(before.get(key, value))
        body = {"curve": done.curve, "seconds": done.seconds, "parameters": parameters, "seed": seed}
        return wire.Message("trained", body, {"logits": done.logits, "initial_logits": done.initial_logits})

    def _model(self, request: wire.Message) -> nn.Module:
        network = request.body["network"]
        torch.manual_seed(request.body["seed"])
        name = request.body["name"]
        return answers.build_model(name, self._bound[name], network["classes"], network["input_shape"][0])


class Shelf:
    """A piece that has been run: its names, and what its statements raised.

    Statements run one by one, so that one that raises does not keep the others from being bound.
    """

    def __init__(self, book: notebook.Book, piece: notebook.Piece) -> None:
        self._spaces = {file: book.space(file) for file in {block.space for block in piece.blocks}}
        self._found = piece.found
        self._raised: dict[str, dict[str, str]] = {}  # by the names that were not bound, in the order of the statements
        for space in self._spaces.values():
            sys.modules.setdefault(space.__name__, space)  # dataclasses look their module up
        for block in piece.blocks:
            try:
                exec(block.code, self._spaces[block.space].__dict__)  # noqa: S102  # this process exists to run it
            except ImportError as e:
                self._do_without(block, e)
            except BaseException as e:  # noqa: BLE001  # as in Desk.answer
                self._note(block, e)

    def _note(self, block: notebook.Block, error: BaseException) -> None:
        for name in block.binds or ("",):
            self._raised[name] = described(error)

    def error_of(self, name: str) -> dict[str, str]:
        """Why a name is not bound: what its own statement raised, or what came first if that only lacks a name."""
        lacks = {"type": "NameError", "message": f"{name} was not bound"}
        own = self._raised.get(name, lacks)
        return next(iter(self._raised.values()), own) if own["type"] == "NameError" else own

    def _do_without(self, block: notebook.Block, error: ImportError) -> None:
        """Go on after an import that failed: what uses its names fails, and the rest does not."""
        space = self._spaces[block.space].__dict__
        for name in block.binds if block.is_import else ():
            space.setdefault(name, shims.Missing(error))
        if not (block.is_import and block.binds):
            self._note(block, error)

    def has(self, name: str) -> bool:
        """Whether the name is bound."""
        return name in self._found and self._found[name] in self._spaces and hasattr(self._space(name), name)

    def get(self, name: str) -> object:
        """What the name is bound to."""
        return getattr(self._space(name), name)

    def _space(self, name: str) -> types.ModuleType:
        return self._spaces[self._found[name]]


def _named(book: notebook.Book, other: dict[str, Any]) -> str:
    """What is known by name as the answer to another question; "" for nothing."""
    return notebook.find(book, other["name"], other["aliases"], other["question"]).name


def _with_unread(state: dict[str, Any], book: notebook.Book) -> dict[str, Any]:
    """A missing answer, with what could not be read: it may have been there."""
    unread = f". Not everything could be read: {book.problems[0]}" if book.problems else ""
    return {**state, "message": f"{state['message']}{unread}"}


def _fits(name: str, value: object, network: Question) -> bool:
    """Whether something builds a network of the right shapes."""
    try:
        _checked_output(name, answers.build_model(name, value, network["classes"], network["input_shape"][0]), network)
    except BaseException:  # noqa: BLE001  # trying is how we find out
        return False
    return True


def _checked_output(name: str, model: nn.Module, network: Question) -> str:
    """Run two black images; says what is unusual about the output, and refuses a wrong shape."""
    shape, classes = tuple(network["input_shape"]), network["classes"]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        output = model(torch.zeros(2, *shape))
    model.train(was_training)
    note = ""
    if isinstance(output, tuple | list) and output:
        output = output[0]
        note = "the network returns a tuple; its first element is taken"
    if not isinstance(output, Tensor):
        raise answers.NotAnAnswer(f"{name} returned {type(output).__name__}; wanted a tensor of shape (N, {classes}).")
    if tuple(output.shape) != (2, classes):
        raise answers.NotAnAnswer(
            f"{name} maps 2 images of shape {shape} to {tuple(output.shape)}; wanted (2, {classes}), "
            f"one score for each of the {classes} classes."
        )
    return note


def described(error: BaseException) -> dict[str, str]:
    """An exception as the student needs it: its type, its text, and the lines of the student's own that led to it."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  # an exception of a student's may fail to print
        text = "(it cannot be printed)"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_students(f.filename)]
    if isinstance(error, SyntaxError) and error.lineno and not frames:
        text = f"{error.msg} (line {error.lineno})"
    lines = traceback.format_list(frames) if frames else []
    detail = "".join([*lines, f"{kind}: {text}"])
    where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    package = str(error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    shown = {"message": text[:DETAIL_CHARACTERS], "detail": detail[-DETAIL_CHARACTERS:]}
    return {"type": kind, "where": where, "package": package, **shown}


def _is_students(filename: str) -> bool:
    return not (filename.startswith((OWN_CODE, sys.prefix, sys.base_prefix, "<frozen")) or "site-packages" in filename)


def recipe_body(recipe: Recipe) -> dict[str, Any]:
    """A recipe as a request carries it."""
    return dataclasses.asdict(recipe)
