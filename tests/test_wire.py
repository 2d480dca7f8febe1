from __future__ import annotations

import json
import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from grader import wire
from grader.wire import Bad, Caps, Closed, Message

MUTATIONS = 20_000
MIB = 1 << 20

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
shapes = st.lists(st.integers(0, 4), max_size=Caps.dims)


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def random_tensor(dtype: torch.dtype, shape: list[int], seed: int) -> Tensor:
    """Any bits of the dtype, NaN and infinities included; a bool's are 0 or 1."""
    count = torch.Size(shape).numel() * dtype.itemsize
    data = torch.randint(0, 2 if dtype is torch.bool else 256, (count,), generator=torch.Generator().manual_seed(seed))
    return data.to(torch.uint8).view(dtype).reshape(shape)


def raw(envelope: Any, data: bytes = b"", data_size: int | None = None) -> bytes:
    """A message with any JSON and any header."""
    text = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return wire.HEADER.pack(wire.MAGIC, 7, len(text), len(data) if data_size is None else data_size) + text + data


def with_tensors(listed: list[Any], data: bytes = b"") -> bytes:
    return raw({"kind": "k", "body": {}, "tensors": listed}, data)


def same(a: Message, b: Message) -> bool:
    pairs = zip(a.tensors.values(), b.tensors.values(), strict=True)
    return (a.number, a.kind, a.body, list(a.tensors)) == (b.number, b.kind, b.body, list(b.tensors)) and all(
        x.dtype == y.dtype and x.shape == y.shape and bits(x) == bits(y) for x, y in pairs
    )


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=str)
@given(shape=shapes, seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_tensor_of_each_dtype_arrives_bit_for_bit(dtype: torch.dtype, shape: list[int], seed: int):
    sent = Message("output", {}, {"x": random_tensor(dtype, shape, seed)})
    assert same(wire.unpack(wire.pack(sent)), sent)


@given(kind=st.text(), body=st.dictionaries(st.text(), json_values, max_size=4), number=st.integers(0, 2**64 - 1))
@settings(max_examples=100)
def test_a_body_arrives_as_it_was_sent(kind: str, body: dict[str, Any], number: int):
    assert same(wire.unpack(wire.pack(Message(kind, body, number=number))), Message(kind, body, number=number))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("transposed", lambda: torch.arange(6.0).reshape(2, 3).t()),
        ("a parameter", lambda: nn.Parameter(torch.ones(3))),
        ("every other element", lambda: torch.arange(8)[::2]),
        ("expanded", lambda: torch.ones(1, 1).expand(3, 2)),
        ("a negative view", lambda: torch.complex(torch.ones(2), torch.ones(2)).conj().imag),
    ],
)
def test_an_unusual_tensor_arrives_as_plain_numbers(name: str, make: Callable[[], Tensor]):
    arrived = wire.unpack(wire.pack(Message("k", {}, {"x": make()}))).tensors["x"]
    assert type(arrived) is Tensor
    assert arrived.is_contiguous()
    assert torch.equal(arrived, make().detach())


class Stubborn(Tensor):
    """Refuses every operation."""

    @classmethod
    def __torch_function__(cls, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no")


def test_a_subclass_has_no_say_in_how_it_is_read():
    tensor = torch.arange(3.0).as_subclass(Stubborn)
    assert wire.unpack(wire.pack(Message("k", {}, {"x": tensor}))).tensors["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (torch.ones(2, dtype=torch.complex64), "dtype complex64"),
        (torch.ones(2, 2).to_sparse(), "dense"),
        (torch.ones(2, device="meta"), "dense"),
        (torch.ones([1] * 9), "9 dimensions"),
        (torch.ones(1).expand(2**60), "too many"),
        ([1.0], "is a list, not a Tensor"),
    ],
    ids=["complex", "sparse", "meta", "dims", "giant", "a list"],
)
def test_what_cannot_cross_is_refused_before_it_is_sent(tensor: Any, says: str):
    with pytest.raises(Bad, match=says):
        wire.pack(Message("k", {}, {"x": tensor}))


def test_half_a_character_is_replaced_before_it_is_sent():
    sent = Message("raised", {"message": "half \ud83d, whole \U0001f600, escaped \\ud83d"})
    assert wire.unpack(wire.pack(sent)).body["message"] == "half ?, whole \U0001f600, escaped \\ud83d"


def test_a_body_with_nan_is_not_sent():
    with pytest.raises(ValueError, match="JSON compliant"):
        wire.pack(Message("k", {"loss": float("nan")}))


@pytest.mark.parametrize(
    ("message", "caps", "says"),
    [
        (raw({"kind": "k" * 100, "body": {}, "tensors": []}), Caps(json_bytes=99), "bytes of JSON; at most 99"),
        (with_tensors([["x", "uint8", [9]]], bytes(9)), Caps(bytes=8), "9 bytes of tensors; at most 8"),
        (with_tensors([["x", "uint8", [0]], ["y", "uint8", [0]]]), Caps(tensors=1), "2 tensors; at most 1"),
        (with_tensors([["x", "uint8", [1] * 3]], bytes(1)), Caps(dims=2), "at most 2 dimensions"),
        (raw({"kind": "k", "body": {"a": [[[]]]}, "tensors": []}), Caps(depth=3), "nested deeper than 3"),
        (with_tensors([["x", "uint8", [0, 2**40]]]), Caps(), "not a count within the cap"),
        (with_tensors([["x", "uint8", [0, 2**20, 2**20]]]), Caps(), "larger than the cap"),
        (with_tensors([["x" * 257, "uint8", [0]]]), Caps(), "name or dtype"),
    ],
    ids=["JSON bytes", "tensor bytes", "tensors", "dims", "depth", "one dimension", "empty giant", "name"],
)
def test_each_cap_is_kept(message: bytes, caps: Caps, says: str):
    with pytest.raises(Bad, match=says):
        wire.unpack(message, caps)


@pytest.mark.parametrize(
    "message",
    [
        b"GET /grades HTTP/1.1\r\n\r\n",
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw(b'{"kind": NaN, "body": {}, "tensors": []}'),
        raw(b'{"kind": "k", "body": {"loss": 1e999}, "tensors": []}'),
        raw(b'{"kind": "k", "body": {"n": %s}, "tensors": []}' % (b"9" * 5000)),
        raw(b'{"kind": "k", "body": {"text": "\\ud800"}, "tensors": []}'),
        raw(["k", {}, []]),
        raw({"kind": "k", "body": {}}),
        raw({"kind": "k", "body": {}, "tensors": [], "more": 1}),
        raw({"kind": 1, "body": {}, "tensors": []}),
        raw({"kind": "k", "body": [], "tensors": []}),
        with_tensors([["x", "uint8"]]),
        with_tensors([["x", "complex64", [0]]]),
        with_tensors([["x", ["uint8"], [0]]]),
        with_tensors([["x", "uint8", [-1]]]),
        with_tensors([["x", "uint8", [True]]], b"a"),
        with_tensors([["x", "uint8", [1.0]]], b"a"),
        with_tensors([["x", "uint8", [1]], ["x", "uint8", [1]]], b"ab"),
        with_tensors([["x", "bool", [1]]], b"\x02"),
        with_tensors([["x", "float32", [1]]], b"abc"),
        with_tensors([["x", "uint8", [1]]], b"a") + b"more",
    ],
)
def test_what_is_not_a_message_is_bad(message: bytes):
    with pytest.raises(Bad):
        wire.unpack(message)


@given(st.data())
@settings(max_examples=50)
def test_a_message_that_stops_early_is_closed(data: st.DataObject):
    whole = wire.pack(Message("output", {"note": "x"}, {"x": torch.arange(5.0)}))
    with pytest.raises(Closed):
        wire.unpack(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_message_arrives_byte_by_byte():
    sent = Message("output", {"a": 1}, {"x": torch.arange(3.0), "empty": torch.empty(0, 2)})
    rest = iter(wire.pack(sent))
    assert same(wire.read(lambda _: bytes([next(rest)])), sent)


def test_two_messages_on_one_stream_are_read_one_after_the_other():
    sent = [Message("a", {}, {"x": torch.ones(2)}), Message("b")]
    stream = memoryview(b"".join(wire.pack(m) for m in sent))
    position = 0

    def receive(size: int) -> bytes:
        nonlocal position
        position += size
        return bytes(stream[position - size : position])

    assert all(same(wire.read(receive), m) for m in sent)


def peak_of(message: bytes) -> int:
    """The most bytes of Python memory in use while a message is refused."""
    tracemalloc.start()
    try:
        with pytest.raises((Bad, Closed)):
            wire.unpack(message)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "message",
    [
        wire.HEADER.pack(wire.MAGIC, 0, Caps.json_bytes, Caps.bytes),
        raw({"kind": "k", "body": {}, "tensors": [["x", "uint8", [Caps.bytes]]]}, b"", Caps.bytes),
        raw({"kind": "k", "body": {}, "tensors": [["x", "float64", [Caps.bytes // 8]]]}, bytes(100), Caps.bytes),
        wire.HEADER.pack(wire.MAGIC, 2**64 - 1, 2**32 - 1, 2**64 - 1),
    ],
    ids=["JSON promised", "tensor promised", "tensor begun", "everything promised"],
)
def test_a_header_alone_allocates_nothing(message: bytes):
    assert peak_of(message) < MIB


def mutated(message: bytes, chance: random.Random) -> bytes:
    """One to four changes of the kinds that break readers: bits, cuts, repeats, numbers at their limits."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 8)]
            case 2:
                data[place:place] = data[place : place + chance.randint(1, 40)]
            case 3:
                limit = chance.choice([0, 1, 2**31 - 1, 2**32 - 1])
                data[12:16] = struct.pack("<I", chance.choice([limit, chance.randrange(2 * len(message))]))
            case 4:
                data[16:24] = struct.pack("<Q", chance.choice([0, 1, 2**63, 2**64 - 1, chance.randrange(2**20)]))
            case _:
                words = [b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b"99999999999999999999", b'"bool"', b"\xf0"]
                data[place : place + chance.randint(0, 3)] = chance.choice(words)
    return bytes(data)


def originals() -> list[bytes]:
    tensors = {str(i): random_tensor(d, [2, 3], i) for i, d in enumerate(wire.DTYPES.values())}
    return [
        wire.pack(Message("ready")),
        wire.pack(Message("output", {}, {"output": torch.randn(2, 3), "empty": torch.empty(0, 3)})),
        wire.pack(Message("captured", {"ir": {"nodes": [["add", [0, 1], {"alpha": 1.5}]]}, "note": "é"}, tensors)),
    ]


@pytest.mark.slow
def test_mutated_messages_are_refused_or_valid_and_never_anything_else():
    chance, base = random.Random(0), originals()  # noqa: S311  # the same mutations every time
    outcomes = {"valid": 0, "Bad": 0, "Closed": 0}
    tracemalloc.start()
    for _ in range(MUTATIONS):
        try:
            message = wire.unpack(mutated(chance.choice(base), chance))
            wire.pack(message)  # what was accepted can be sent again
            outcomes["valid"] += 1
        except (Bad, Closed) as e:
            outcomes[type(e).__name__] += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB
    assert min(outcomes.values()) > MUTATIONS // 100, outcomes
