"""What the attack suite goes for: an assignment with its reference, others' work, results, a token and a port.

All of it is open to everybody, so that nothing but the walls is in an attack's way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import string
from collections.abc import Iterator
from pathlib import Path

from grader.scratch import Scratch

SECRET_VARIABLE = "TORCHGRADER_ATTACK_SECRET"  # noqa: S105  # the name of a variable
CLEAN = "import torch\n\n\ndef relu(x):\n    return torch.relu(x)\n"
"""A right answer to the stage's only question."""


class Stage:
    """What attacks go for, in a folder of its own; `places` are the names that a case may use for it."""

    def __init__(self, folder: Path, suite: Path) -> None:
        self.folder = folder
        self.secrets = {name: secrets.token_hex(16) for name in ("reference", "neighbour", "token", "environment")}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.places = {
            "CANARY": self.secrets["reference"],
            "REFERENCE": str(folder / "reference"),
            "ANSWER": str(folder / "reference" / "q1_relu.py"),
            "NEIGHBOUR": str(folder / "handed_in" / "ada" / "submission.py"),
            "RESULTS": str(folder / "results" / "ada.json"),
            "TOKEN": str(folder / "home" / "token"),
            "MARK": str(folder / "mark"),
            "PORT": str(self._listener.getsockname()[1]),
            "JUDGE": str(os.getpid()),
            "VARIABLE": SECRET_VARIABLE,
            "RUN": secrets.token_hex(4),
        }
        self._suite = suite
        self.furnish()
        os.environ[SECRET_VARIABLE] = self.secrets["environment"]

    def furnish(self) -> None:
        """Put everything in its place, once more after an attack that was let loose."""
        plain = self._suite / "_stage"
        for source in plain.rglob("*.*"):
            if "__pycache__" not in source.parts:
                _write(self.folder / source.relative_to(plain), self.filled(source.read_text(encoding="utf-8")))
        _write(self.folder / "handed_in" / "ada" / "submission.py", f"# {self.secrets['neighbour']}\n{CLEAN}")
        _write(self.folder / "results" / "ada.json", '{"points": 4}\n')
        _write(self.folder / "home" / "token", self.secrets["token"])
        (self.folder / "mark").mkdir(exist_ok=True)
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)  # nothing but the walls is in the way

    def filled(self, text: str) -> str:
        """A case's text with the places named."""
        return string.Template(text).safe_substitute(self.places)

    def state(self) -> dict[str, str]:
        """Every file of the stage with its mode and content."""
        there = sorted(p for p in self.folder.rglob("*") if "__pycache__" not in p.parts)
        return {str(p): f"{p.lstat().st_mode:o} {_digest(p)}" for p in there}

    def close(self) -> None:
        """Take back what is outside the folder."""
        self._listener.close()
        os.environ.pop(SECRET_VARIABLE, None)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""


@contextlib.contextmanager
def stage(suite: Path) -> Iterator[Stage]:
    """A stage for as long as the block runs."""
    with Scratch("stage") as folder:
        made = Stage(folder, suite)
        try:
            yield made
        finally:
            made.close()
