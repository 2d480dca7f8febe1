"""The canonical form of a network: one for all its spellings, so that equal networks are trained once.

Two measurements at different batch sizes tell which sizes depend on the batch. Then, node by node: names are replaced
by order of use, an in-place operation by its plain form where nothing else sees the overwritten value, every reshape by
its target, and what changes nothing (dropout outside training, a copy, a contiguous() before a reshape) by its
argument. What neither the answer nor a buffer nor the stream of random numbers depends on is left out.

Equal forms compute the same bits from the same weights and random numbers. The reverse is not promised: x @ w + b and
linear are different forms, and so are relu before and after a pooling.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from grader.graph.batches import Sizes, sizes
from grader.graph.parsing import check_tensors, parse
from grader.graph.program import Caps, Graph, Program
from grader.graph.writer import Writer


@dataclass(frozen=True)
class Canonical:
    """The form, JSON-able, and the names of the tensors in order of use."""

    form: list[Any]
    tensors: tuple[str, ...]


def canonical(ir: object, caps: Caps = Caps()) -> list[Any]:  # noqa: B008  # a frozen value
    """The canonical form of a captured network, JSON-able. Raises Refused."""
    return canonical_of(parse(ir, caps), caps).form


def fingerprint(ir: object, caps: Caps = Caps()) -> str:  # noqa: B008  # a frozen value
    """SHA-256 of the canonical form, in hex; the weights have no part in it. Raises Refused."""
    return fingerprint_of(canonical_of(parse(ir, caps), caps))


def digests(ir: object, tensors: Mapping[str, Tensor], caps: Caps = Caps()) -> tuple[str, str]:  # noqa: B008  # frozen
    """Fingerprint and weights' digest of a captured network, whose form is worked out once. Raises Refused."""
    program = parse(ir, caps)
    checked = check_tensors(program, tensors)
    form = canonical_of(program, caps)
    return fingerprint_of(form), digest_of(form, checked)


def weights_digest(ir: object, tensors: Mapping[str, Tensor], caps: Caps = Caps()) -> str:  # noqa: B008  # frozen
    """SHA-256 of the tensors' bytes in order of use, in hex. Raises Refused."""
    return digest_of(canonical_of(parse(ir, caps), caps), tensors)


def fingerprint_of(form: Canonical) -> str:
    """See fingerprint."""
    return hashlib.sha256(json.dumps(form.form, separators=(",", ":")).encode()).hexdigest()


def digest_of(form: Canonical, tensors: Mapping[str, Tensor]) -> str:
    """See weights_digest."""
    h = hashlib.sha256()
    for name in form.tensors:
        tensor = tensors[name].detach().cpu().contiguous()
        h.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        h.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return h.hexdigest()


def canonical_of(program: Program, caps: Caps) -> Canonical:
    """The canonical form of a checked network. Raises Refused."""
    order: dict[str, int] = {}
    train = sizes(program, program.train, caps)
    both = train if program.eval == program.train else sizes(program, program.eval, caps)  # it is most of the time
    graphs = [_form(program, graph, found, order) for graph, found in ((program.train, train), (program.eval, both))]
    tensors = [[list(t.shape), str(t.dtype), t.kind] for t in (program.by_name[name] for name in order)]
    return Canonical([list(program.input_shape), tensors, *graphs], tuple(order))


def _form(program: Program, graph: Graph, found: Sizes, order: dict[str, int]) -> list[Any]:
    writer = Writer(program, graph, found)
    writer.write()
    return writer.numbered(order)
