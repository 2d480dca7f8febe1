"""Messages between the judge and a worker. Runs beside student code: standard library and torch only.

Theory of operation. A message is a fixed header, a JSON object and raw tensor bytes, in that order. Nothing in it can
execute. The reader trusts no number in it: every length is held against a cap before a byte is read for it, memory
grows with what has arrived (never with what the header promises), and each tensor's shape, dtype and bytes must agree.
A message that breaks a rule raises `Bad`; a stream that ends raises `Closed`. A reply has its request's number, which
the judge draws at random: what was sent before the question was asked, or is sent once more, is no reply.

    header  4s magic, u64 number, u32 bytes of JSON, u64 bytes of tensors        (little-endian)
    JSON    {"kind": str, "body": object, "tensors": [[name, dtype, shape], ...]}
    tensors their bytes, C order, one after the other
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch._C import DisableTorchFunctionSubclass

MAGIC = b"tgw2"
HEADER = struct.Struct("<4sQIQ")
CHUNK = 1 << 20

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        name: getattr(torch, name)
        for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    }
)
NAMES: Mapping[torch.dtype, str] = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})

Receive = Callable[[int], bytes]
"""At most so many bytes from the other side; b"" when it has closed."""


class Bad(ValueError):
    """The message breaks the format or a cap; nothing of it is used."""


class Closed(Exception):
    """The other side is gone: there will be no message."""


@dataclass(frozen=True)
class Caps:
    """The most that a reader accepts. `bytes` is over all tensors of one message."""

    json_bytes: int = 8 << 20
    tensors: int = 4096
    dims: int = 8
    bytes: int = 256 << 20
    depth: int = 64


@dataclass(frozen=True)
class Message:
    """One request or reply, which has its request's `number`."""

    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    number: int = 0


def pack(message: Message) -> bytes:
    """The message's bytes. Raises `Bad` for a tensor that cannot cross, ValueError for NaN in the body."""
    tensors = {name: _plain(name, t) for name, t in message.tensors.items()}
    listed = [[name, NAMES[t.dtype], list(t.shape)] for name, t in tensors.items()]
    envelope = {"kind": message.kind, "body": message.body, "tensors": listed}
    text = ENCODER.encode(envelope).encode("utf-8", "replace")  # half a character: "?"
    data = b"".join(numbers(t) for t in tensors.values())
    return HEADER.pack(MAGIC, message.number, len(text), len(data)) + text + data


def unpack(data: bytes, caps: Caps = Caps()) -> Message:
    """The message in `data`, which must hold exactly one."""
    view = memoryview(data)
    position = 0

    def receive(size: int) -> bytes:
        nonlocal position
        part = bytes(view[position : position + size])
        position += len(part)
        return part

    message = read(receive, caps)
    if position != len(data):
        raise Bad(f"{len(data) - position} bytes after the message")
    return message


def read(receive: Receive, caps: Caps = Caps()) -> Message:
    """The next message. Raises `Bad` or `Closed`, and whatever `receive` raises (a time-out, say)."""
    magic, number, text_size, data_size = HEADER.unpack(_exactly(receive, HEADER.size))
    if magic != MAGIC:
        raise Bad("not a message of this protocol")
    if text_size > caps.json_bytes:
        raise Bad(f"{text_size} bytes of JSON; at most {caps.json_bytes} are accepted")
    if data_size > caps.bytes:
        raise Bad(f"{data_size} bytes of tensors; at most {caps.bytes} are accepted")
    kind, body, listed = _envelope(_exactly(receive, text_size), caps)
    shapes = [_tensor_entry(entry, caps) for entry in listed]
    sizes = [math.prod(shape) * dtype.itemsize for _, dtype, shape in shapes]
    if sum(sizes) != data_size:
        raise Bad(f"the tensors need {sum(sizes)} bytes and the header says {data_size}")
    if len({name for name, _, _ in shapes}) != len(shapes):
        raise Bad("two tensors of one name")
    tensors = {}
    for (name, dtype, shape), size in zip(shapes, sizes, strict=True):
        tensors[name] = _tensor(_exactly(receive, size), dtype, shape)
    return Message(kind, body, tensors, number)


def _exactly(receive: Receive, size: int) -> bytearray:
    """`size` bytes; memory grows as they arrive."""
    data = bytearray()
    while len(data) < size:
        part = receive(min(CHUNK, size - len(data)))
        if not part:
            raise Closed
        data += part
    return data


def _envelope(text: bytearray, caps: Caps) -> tuple[str, dict[str, Any], list[Any]]:
    try:
        value = DECODER.decode(text.decode("utf-8"))
        if b"\\ud" in text.lower():  # perhaps half a character, which no file and no page can hold
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as e:
        raise Bad(f"not JSON: {type(e).__name__}") from e
    if not isinstance(value, dict) or set(value) != {"kind", "body", "tensors"}:
        raise Bad("the JSON is not a message")
    kind, body, listed = value["kind"], value["body"], value["tensors"]
    if not (isinstance(kind, str) and isinstance(body, dict) and isinstance(listed, list)):
        raise Bad("the JSON is not a message")
    if _depth(body) > caps.depth:
        raise Bad(f"the JSON is nested deeper than {caps.depth}")
    if len(listed) > caps.tensors:
        raise Bad(f"{len(listed)} tensors; at most {caps.tensors} are accepted")
    return kind, body, listed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """A number as written; one like 1e999 is none that JSON can say again."""
    if math.isinf(value := float(digits)):
        raise ValueError(f"{digits} is not a number")
    return value


ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def _depth(value: object) -> int:
    """How deep lists and objects are nested, counted without recursion."""
    level, here = 0, [value]
    while here:
        level += 1
        here = [c for v in here if isinstance(v, dict | list) for c in (v.values() if isinstance(v, dict) else v)]
    return level


def _tensor_entry(entry: object, caps: Caps) -> tuple[str, torch.dtype, tuple[int, ...]]:
    if not (isinstance(entry, list) and len(entry) == 3):
        raise Bad("a tensor is [name, dtype, shape]")
    name, dtype, shape = entry
    if not (isinstance(name, str) and len(name) <= 256 and isinstance(dtype, str) and dtype in DTYPES):
        raise Bad("a tensor's name or dtype is not accepted")
    if not isinstance(shape, list) or len(shape) > caps.dims:
        raise Bad(f"a tensor has at most {caps.dims} dimensions")
    if not all(type(d) is int and 0 <= d <= caps.bytes for d in shape):
        raise Bad("a tensor's dimension is not a count within the cap")
    if math.prod(max(d, 1) for d in shape) > caps.bytes:  # an empty tensor of a giant shape overflows its strides
        raise Bad("a tensor's shape is larger than the cap")
    return name, DTYPES[dtype], tuple(shape)


def _tensor(data: bytearray, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool and data.translate(None, b"\x00\x01"):
        raise Bad("a bool that is neither 0 nor 1")
    return torch.frombuffer(data, dtype=dtype).view(shape)


def _plain(name: str, tensor: Tensor) -> Tensor:
    """A dense CPU tensor of a known dtype, whatever the subclass."""
    if is_plain(tensor):  # nearly all are, and each question to torch takes its time
        return tensor
    if not isinstance(tensor, Tensor):
        raise Bad(f"{name} is a {type(tensor).__name__}, not a Tensor")
    with DisableTorchFunctionSubclass():  # a subclass may not have a say in how it is read
        if Tensor.layout.__get__(tensor) is not torch.strided:  # type: ignore[attr-defined]  # a descriptor
            raise Bad(f"{name} is not an ordinary dense tensor")
        tensor = Tensor.as_subclass(tensor, Tensor).detach()
    if tensor.is_quantized or tensor.device.type == "meta":
        raise Bad(f"{name} is not an ordinary dense tensor")
    if tensor.dtype not in NAMES:
        raise Bad(f"{name} has dtype {str(tensor.dtype).removeprefix('torch.')}, which is not accepted")
    if tensor.dim() > Caps.dims:
        raise Bad(f"{name} has {tensor.dim()} dimensions; at most {Caps.dims} are accepted")
    if tensor.numel() * tensor.element_size() > Caps.bytes:
        raise Bad(f"{name} has {tensor.numel()} elements, too many to hand over")
    return tensor.cpu().resolve_conj().resolve_neg()


def is_plain(tensor: object) -> bool:
    """Whether it crosses as it is."""
    return (
        type(tensor) is Tensor
        and tensor.layout is torch.strided
        and tensor.is_cpu
        and not tensor.requires_grad
        and not tensor.is_neg()
        and tensor.dtype in NAMES
        and tensor.dim() <= Caps.dims
        and tensor.nbytes <= Caps.bytes
    )


def numbers(tensor: Tensor) -> bytes:
    """The bytes of one that is plain, in C order, however it lies in memory."""
    if tensor.dtype is torch.bfloat16:  # numpy has none
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()
