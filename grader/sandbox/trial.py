"""Build a blueprint once and say what stood: `python -m grader.sandbox.trial`, a Setup on stdin, JSON on stdout.

A process of its own, because walls cannot be taken down again. Standard library only.

    {"level": 4, "walls": [...]}            the report of the worker
    {"failed": wall, "reason": sentence}    a wall that could not be built
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, NoReturn

from grader.sandbox import linux, plain
from grader.sandbox.blueprint import Setup, WallFailed, to_report
from grader.sandbox.ground import Ground, prepare

LIMITS = linux.Limits(memory_bytes=1 << 30, cpu_seconds=60)


def main() -> None:
    """Read, build, print."""
    setup = Setup.unpack(sys.stdin.buffer.read())
    answer = attempt(setup)
    os.write(1, json.dumps(answer).encode() + b"\n")


def attempt(setup: Setup) -> dict[str, Any]:
    """What a worker behind this blueprint finds."""
    try:
        ground = prepare(setup)
    except WallFailed as e:
        return {"failed": e.wall, "reason": e.reason}
    ours, theirs = socket.socketpair()
    uid = next(ground.uids, None)
    pid = linux.fork(ground)
    if pid == 0:
        _worker(ground, uid, theirs)
    theirs.close()
    with ours, ours.makefile("rb") as answers:
        line = answers.readline()
    os.waitpid(pid, 0)
    return dict(json.loads(line)) if line else {"failed": "", "reason": "a worker died while it built its walls"}


def _worker(ground: Ground, uid: int | None, sock: socket.socket) -> NoReturn:
    try:
        try:
            linux.enter(ground, uid, sock.fileno(), os.dup(2), LIMITS)
            answer = to_report(linux.verify(ground))
        except WallFailed as e:
            answer = {"failed": e.wall, "reason": e.reason}
        os.write(plain.CHANNEL, json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
