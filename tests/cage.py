"""Run acts behind chosen walls: `run` for tests, and the program that it starts (standard library)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"


@contextmanager
def engine() -> Iterator[Path]:
    """A copy of what a worker needs, readable by everybody wherever the checkout is."""
    with tempfile.TemporaryDirectory(prefix="engine-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "grader" / "sandbox", folder / "grader" / "sandbox")
        for name in ("__init__.py", "errors.py", "scratch.py"):
            shutil.copy(ROOT / "grader" / name, folder / "grader")
        shutil.copy(__file__, folder)
        yield folder


@cache
def python(uid: int) -> str:
    """An interpreter that this user can run and read: one below a closed home folder cannot be."""
    for candidate in (sys.executable, SYSTEM_PYTHON):
        probe = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(probe, user=uid, group=uid, extra_groups=[], stderr=subprocess.DEVNULL).returncode == 0:
                return candidate
        except PermissionError:
            continue
    raise FileNotFoundError(f"no Python >= 3.11 that user {uid} can run")


def start(folder: Path, arguments: list[str], uid: int, stdin: bytes = b"", prefix: tuple[str, ...] = ()) -> str:
    """What `python -m ARGUMENTS` prints, as a user; `prefix` stands before the command."""
    as_user: dict[str, Any] = {} if uid == os.geteuid() else {"user": uid, "group": uid, "extra_groups": []}
    command = [*prefix, python(uid or NOBODY), "-P", "-s", "-B", "-m", *arguments]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, input=stdin, env=environment, cwd="/", capture_output=True, timeout=60, check=False, **as_user
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def run(folder: Path, setup: bytes, source: str, uid: int) -> Any:
    """What `source` binds to `result` when a worker runs it behind the walls of a packed Setup, as JSON carries it."""
    sent = {"setup": base64.b64encode(setup).decode(), "source": source}
    return json.loads(start(folder, ["cage"], uid, json.dumps(sent).encode()))


def survey(folder: Path, uid: int, *without: str) -> dict[str, Any]:
    """What a survey as this user finds: level, opener, walls, missing. `without` names what the kernel is to refuse."""
    return dict(json.loads(start(folder, ["cage", "survey", *without], uid)))


def print_survey(without: list[str]) -> None:
    """The program that `survey` starts. The kernel refuses what a container or a careful administrator would."""
    from grader.sandbox import kernel, seccomp
    from grader.sandbox.survey import survey

    if without:
        column, architecture = seccomp.ARCHITECTURES[kernel.MACHINE]
        numbers = {"namespaces": ["unshare", "setns"], "landlock": [], "seccomp": []}
        refused = [seccomp.REFUSED[name][column] for kind in without for name in numbers[kind]]
        refused += [444] * ("landlock" in without)
        refused += [{"x86_64": 317, "aarch64": 277}[kernel.MACHINE]] * ("seccomp" in without)
        op = seccomp._op
        if os.geteuid():
            kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
        clone, clone3 = (seccomp.INSPECTED[name][column] for name in ("clone", "clone3"))
        code = [op(0x20, 4), op(0x15, architecture, 1, 0), op(6, seccomp.KILL), op(0x20, 0)]
        code += [*seccomp._refuse([n for n in refused if n]), op(0x15, clone3 or 0, 0, 1), op(6, seccomp.UNKNOWN)]
        if "namespaces" in without:
            code += [op(0x15, clone or 0, 0, 3), op(0x20, 16), op(0x45, 0x7E020000, 0, 1), op(6, seccomp.REFUSE)]
        kernel.load_filter(b"".join([*code, op(6, seccomp.ALLOW)]))
    found = survey()
    walls = sorted(e.wall for e in found.evidence if e.verified)
    told = {"level": found.level, "opener": found.blueprint.opener, "walls": walls, "missing": found.missing}
    os.write(1, json.dumps(told).encode())


def main() -> None:
    """The program that `run` starts: build, run, print."""
    if sys.argv[1:2] == ["survey"]:
        print_survey(sys.argv[2:])
        return
    from grader.sandbox import linux
    from grader.sandbox.blueprint import Setup
    from grader.sandbox.ground import prepare

    sent = json.loads(sys.stdin.buffer.read())
    ground = prepare(Setup.unpack(base64.b64decode(sent["setup"])))
    ours, theirs = socket.socketpair()
    uid = next(ground.uids, None)
    pid = linux.fork(ground)
    if pid == 0:
        linux.enter(ground, uid, theirs.fileno(), os.dup(2), linux.Limits(256 << 20, 20))
        module = types.ModuleType("caged")
        module.__dict__["ground"] = ground
        try:
            exec(sent["source"], module.__dict__)  # noqa: S102  # that is what it is for
        except BaseException:  # noqa: BLE001  # the test shows it
            module.__dict__["result"] = traceback.format_exc()
        os.write(3, json.dumps(module.__dict__["result"]).encode() + b"\n")
        os._exit(0)
    theirs.close()
    with ours.makefile("rb") as answers:
        os.write(1, answers.readline() or b'{"died": true}')
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
