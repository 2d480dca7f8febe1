"""Which walls there are, which of them make which level, and the bait that the probes go for. Standard library only.

Runs on both sides: the judge draws a blueprint, the zygote and its workers build it, and the judge reads the evidence.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from grader.scratch import Scratch


class Wall(StrEnum):
    """The walls, in the order in which they are built."""

    DESCRIPTORS = "own descriptors"
    MOUNTS = "mount namespace"
    NETWORK = "network namespace"
    IPC = "ipc namespace"
    HOST_NAME = "uts namespace"
    PROCESSES = "pid namespace"
    UID = "own user id"
    LIMITS = "resource limits"
    CAPABILITIES = "no capabilities"
    NO_NEW_PRIVILEGES = "no new privileges"
    LANDLOCK = "Landlock"
    SECCOMP = "seccomp"


class WallFailed(Exception):
    """A wall that the blueprint asks for cannot be built here."""

    def __init__(self, wall: Wall, reason: str) -> None:
        super().__init__(f"{wall}: {reason}")
        self.wall = wall
        self.reason = reason


ABORTED = int(signal.SIGABRT)
"""The exit code of a worker that called abort(): process 1 of a namespace cannot die by a signal of its own."""


class Opener(StrEnum):
    """What lets the zygote make namespaces."""

    NONE = "nothing"
    PRIVILEGE = "the grader's own privilege"
    USER_NAMESPACE = "a user namespace"
    BUBBLEWRAP = "bubblewrap"


BUBBLEWRAP = (
    *("bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"),
    *("--dev-bind", "/", "/", "--die-with-parent", "--"),
)
"""Only opens a user namespace, for systems that let nothing else do so; the walls inside are the same."""

NAMESPACES = frozenset({Wall.MOUNTS, Wall.NETWORK, Wall.IPC, Wall.HOST_NAME, Wall.PROCESSES})
_COMMON = frozenset(Wall) - NAMESPACES - {Wall.UID}

LEVELS: Mapping[int, frozenset[Wall]] = MappingProxyType(
    {4: _COMMON | NAMESPACES, 3: _COMMON | {Wall.UID}, 2: _COMMON, 1: frozenset()}
)
"""Level -> the walls that must stand, each tried from inside."""

NAMES: Mapping[int, str] = MappingProxyType(
    {4: "full", 3: "own user, no namespaces", 2: "no namespaces", 1: "process only", 0: "none"}
)


def level_of(standing: Iterable[Wall]) -> int:
    """The highest level whose walls all stand."""
    standing = frozenset(standing)
    return max(level for level, walls in LEVELS.items() if walls <= standing)


@dataclass(frozen=True)
class Bait:
    """What no worker may reach: a file, a listening port, a process, and folders such as the reference."""

    file: str
    port: int
    pid: int
    folders: tuple[str, ...] = ()


class Trap:
    """Lays bait and takes it away again: a readable file in an open folder, and a port that answers."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folder = Scratch("bait")
        self._folder.path.chmod(0o755)  # only the walls may keep a worker out, not the mode of a folder
        file = self._folder.path / "canary"
        file.write_text(secrets.token_hex(16))
        file.chmod(0o644)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.bait = Bait(str(file), port, os.getpid(), tuple(str(f) for f in folders))

    def close(self) -> None:
        """Take the bait away."""
        self._listener.close()
        self._folder.close()


@dataclass(frozen=True)
class Blueprint:
    """What a zygote and its workers build."""

    walls: frozenset[Wall] = frozenset()
    opener: Opener = Opener.NONE

    def without(self, wall: Wall) -> Blueprint:
        """The same with one wall less."""
        return Blueprint(self.walls - {wall}, self.opener)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before the command that starts a zygote."""
        return BUBBLEWRAP if self.opener is Opener.BUBBLEWRAP else ()

    def to_body(self) -> dict[str, Any]:
        """As JSON carries it."""
        return {"walls": sorted(self.walls), "opener": self.opener}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Blueprint:
        """From what `to_body` gave. Raises ValueError for an unknown wall."""
        return cls(frozenset(Wall(w) for w in body["walls"]), Opener(body["opener"]))


@dataclass(frozen=True)
class Evidence:
    """Of one wall: was it built, and which forbidden acts got through all the same."""

    wall: Wall
    applied: bool
    breaches: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether it stands."""
        return self.applied and not self.breaches


def to_report(evidence: Iterable[Evidence]) -> dict[str, Any]:
    """The evidence as a worker sends it: {"level": ..., "walls": [{"name", "applied", "verified", "breaches"}]}."""
    evidence = list(evidence)
    walls = [
        {"name": e.wall, "applied": e.applied, "verified": e.verified, "breaches": list(e.breaches)} for e in evidence
    ]
    return {"level": level_of(e.wall for e in evidence if e.verified), "walls": walls}


def from_report(report: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """Read a report again; its level is computed anew, not believed."""
    return tuple(Evidence(Wall(w["name"]), w["applied"], tuple(w["breaches"])) for w in report["walls"])


@dataclass(frozen=True)
class Setup:
    """All that a zygote is told before it builds: JSON, one message."""

    blueprint: Blueprint
    scratch: str
    bait: Bait | None = None

    def pack(self) -> bytes:
        """As bytes."""
        bait = self.bait.__dict__ if self.bait else None
        return json.dumps({"blueprint": self.blueprint.to_body(), "scratch": self.scratch, "bait": bait}).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Setup:
        """From what `pack` gave."""
        value = json.loads(data)
        bait = value["bait"]
        if bait is not None:
            bait = Bait(bait["file"], bait["port"], bait["pid"], tuple(bait["folders"]))
        return cls(Blueprint.from_body(value["blueprint"]), value["scratch"], bait)
