"""Tensors and a note in one safetensors file, and their digest. Nothing in such a file can execute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from grader.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

NOTE = "torchgrader"  # one key, because safetensors writes several in no fixed order


def digest_of(about: Any, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over `about` (JSON-able) and the tensors' names, kinds, shapes and bytes."""
    h = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        h.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        h.update(tensor.contiguous().numpy().data)
    return h.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a JSON note to one safetensors file, whole or not at all."""
    from safetensors.torch import save

    data = save({k: t.contiguous() for k, t in tensors.items()}, {NOTE: json.dumps(note, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the note of a file written by `save_tensors`. Raises DataError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {})[NOTE])
            # Copies: the file is only mapped, and whoever shortened it later would end this process with a bus error.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, note  # noqa: SIM118  # not a dict
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror or e}") from e
    except (SafetensorError, KeyError, ValueError) as e:
        raise DataError(
            f"{path} is corrupt or not a file of ours ({type(e).__name__}). Make it from its source again."
        ) from e
