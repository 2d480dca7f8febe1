"""Each wall, really tried from inside: behind it an act is refused, and without it the same act works."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import cage, cage_acts

if not sys.platform.startswith("linux"):
    pytest.skip("the Linux walls", allow_module_level=True)

from grader.sandbox import ground, kernel, landlock
from grader.sandbox.blueprint import (
    LEVELS,
    NAMESPACES,
    Blueprint,
    Opener,
    Setup,
    Trap,
    Wall,
    from_report,
    level_of,
)
from grader.sandbox.probe import ACTS

pytestmark = pytest.mark.slow
EVERY = frozenset(Wall)
ROOT = os.geteuid() == 0
USERS = [0, cage.NOBODY] if ROOT else [os.geteuid()]


@pytest.fixture(scope="module")
def engine() -> Iterator[Path]:
    with cage.engine() as folder:
        yield folder


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    trap = Trap()
    Path(trap.bait.file).with_name("victim").touch()
    yield trap
    trap.close()


@pytest.fixture
def scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="scratch-") as name:
        Path(name).chmod(0o755)
        yield name


def best(uid: int) -> Blueprint:
    """The most that this user can build here, found without the code under test."""
    user = {"user": uid, "group": uid, "extra_groups": []} if ROOT else {}
    flags = "--pid --fork" if uid == 0 else "--user --map-root-user --pid --fork"
    able = subprocess.run(["unshare", *flags.split(), "true"], **user, stderr=subprocess.DEVNULL).returncode == 0
    walls = EVERY if uid == 0 else EVERY - {Wall.UID}
    if not able:
        return Blueprint(walls - NAMESPACES)
    return Blueprint(walls, Opener.PRIVILEGE if uid == 0 else Opener.USER_NAMESPACE)


def tried(engine: Path, setup: Setup, uid: int) -> dict[str, Any]:
    return dict(json.loads(cage.start(engine, ["grader.sandbox.trial"], uid, setup.pack(), setup.blueprint.prefix)))


def acts_through(engine: Path, setup: Setup, uid: int) -> set[str]:
    source = Path(cage_acts.__file__).read_text()
    source += "\nresult = through(Stakes(ground.setup.bait, ground.namespaces, ground.uid))"
    return set(cage.run(engine, setup.pack(), source, uid))


@pytest.mark.parametrize("uid", USERS)
def test_all_walls_stand(engine: Path, trap: Trap, scratch: str, uid: int) -> None:
    blueprint = best(uid)
    report = tried(engine, Setup(blueprint, scratch, trap.bait), uid)
    assert {e.wall for e in from_report(report) if e.verified} == blueprint.walls
    assert report["level"] == level_of(blueprint.walls)


@pytest.mark.parametrize("opener", [Opener.USER_NAMESPACE, Opener.BUBBLEWRAP])
@pytest.mark.parametrize("uid", USERS)
def test_all_walls_stand_whatever_opens_the_namespaces(
    engine: Path, trap: Trap, scratch: str, uid: int, opener: Opener
) -> None:
    blueprint = Blueprint(EVERY - {Wall.UID}, opener)
    if not best(uid).walls >= NAMESPACES or not shutil.which("bwrap"):
        pytest.skip("namespaces are not permitted here, or there is no bubblewrap")
    assert tried(engine, Setup(blueprint, scratch, trap.bait), uid)["level"] == 4


@pytest.mark.parametrize("uid", USERS)
def test_without_walls_every_act_works(engine: Path, trap: Trap, scratch: str, uid: int) -> None:
    report = tried(engine, Setup(Blueprint(), scratch, trap.bait), uid)
    through = {act for e in from_report(report) for act in e.breaches}
    not_as_a_user = {"hold a capability", "change a file's mode", "write outside its folder", "signal the grader"}
    not_as_a_user |= {"read the grader's environment"}  # the bait is root's
    assert through == set(ACTS) - (not_as_a_user if uid else set())
    assert report["level"] == 1


@pytest.mark.parametrize("wall", list(Wall))
def test_a_wall_left_out_is_noticed(engine: Path, trap: Trap, scratch: str, wall: Wall) -> None:
    blueprint = best(USERS[0])
    if wall is Wall.CAPABILITIES:  # which a change of user takes as well
        blueprint = blueprint.without(Wall.UID)
    report = tried(engine, Setup(blueprint.without(wall), scratch, trap.bait), USERS[0])
    if wall is Wall.NO_NEW_PRIVILEGES:  # the kernel's own condition for the next ones
        assert report["failed"] == Wall.LANDLOCK
        return
    evidence = {e.wall: e for e in from_report(report)}
    assert evidence[wall].breaches
    assert not evidence[wall].verified
    assert report["level"] == level_of(blueprint.walls - {wall})


@pytest.mark.parametrize("wall", sorted(LEVELS[4]))
def test_each_wall_of_level_4_is_needed_for_it(wall: Wall) -> None:
    assert level_of(EVERY) == 4
    assert level_of(EVERY - {wall}) < 4


@pytest.mark.parametrize("uid", USERS)
def test_forbidden_acts_are_refused(engine: Path, trap: Trap, scratch: str, uid: int) -> None:
    assert acts_through(engine, Setup(best(uid), scratch, trap.bait), uid) == set()


@pytest.mark.parametrize("uid", USERS)
def test_forbidden_acts_are_refused_without_namespaces(engine: Path, trap: Trap, scratch: str, uid: int) -> None:
    walls = best(uid).walls - NAMESPACES
    assert acts_through(engine, Setup(Blueprint(walls), scratch, trap.bait), uid) == set()


@pytest.mark.skipif(not ROOT, reason="the acts that work without walls need root")
def test_forbidden_acts_work_without_walls(engine: Path, trap: Trap, scratch: str) -> None:
    works = acts_through(engine, Setup(Blueprint(), scratch, trap.bait), 0)
    newer = {"use_a_call_of_tomorrow"} if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 13) else set()
    assert works == set(cage_acts.ALL) - newer


ORDINARY = """
import asyncio, concurrent.futures, json, os, tempfile, threading, socket, mmap, platform
done = []
thread = threading.Thread(target=lambda: done.append("thread")); thread.start(); thread.join()
asyncio.run(asyncio.sleep(0)); done.append("asyncio")
socket.socketpair(); done.append("socketpair")
mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); done.append("private map")
concurrent.futures.ThreadPoolExecutor(2).submit(str, 1).result(); done.append("thread pool")
import colorsys, xml.dom.minidom; done.append("late import")
platform.platform(); done.append("platform")
os.kill(os.getpid(), 0); done.append("own signal")
result = done
"""

FILES = """
import os, tempfile
with tempfile.NamedTemporaryFile("w+") as f: f.write("x"); f.flush()
open("model.pt", "w").close(); os.chmod("model.pt", 0o600); os.utime("model.pt")
open("/dev/shm/x", "w").close(); os.mkdir("runs"); os.rename("runs", "logs")
result = sorted(os.listdir("."))
"""


@pytest.mark.parametrize("uid", USERS)
@pytest.mark.parametrize("namespaces", [True, False])
def test_ordinary_code_works(engine: Path, scratch: str, uid: int, namespaces: bool) -> None:
    blueprint = best(uid) if namespaces else Blueprint(best(uid).walls - NAMESPACES)
    done = cage.run(engine, Setup(blueprint, scratch).pack(), ORDINARY, uid)
    assert done == "thread,asyncio,socketpair,private map,thread pool,late import,platform,own signal".split(",")


@pytest.mark.parametrize("uid", USERS)
def test_files_may_be_written_in_the_scratch_and_are_gone(engine: Path, scratch: str, uid: int) -> None:
    if Wall.MOUNTS not in best(uid).walls:
        pytest.skip("without namespaces there is no folder to write to")
    for _ in range(2):
        assert cage.run(engine, Setup(best(uid), scratch).pack(), FILES, uid) == ["logs", "model.pt"]
    assert not any(Path(scratch).iterdir())


def test_without_namespaces_nothing_can_be_written(engine: Path, scratch: str) -> None:
    source = "import os\ntry: open('x', 'w')\nexcept OSError as e: result = type(e).__name__"
    walls = best(USERS[-1]).walls - NAMESPACES
    assert cage.run(engine, Setup(Blueprint(walls), scratch).pack(), source, USERS[-1]) == "PermissionError"


FLOODS = """
import errno, os
def code(act):
    try: act()
    except OSError as e: return errno.errorcode[e.errno]
def flood():
    for n in range(3):
        with open(str(n), "wb") as f:
            for _ in range(40): f.write(bytes(1 << 20))
def many():
    for n in range(5000): open(f"n{n}", "w").close()
result = [code(flood), [os.remove(n) for n in os.listdir(".")] and code(many)]
"""


def test_a_flood_of_bytes_or_files_ends_at_the_scratch(engine: Path, scratch: str) -> None:
    if Wall.MOUNTS not in best(USERS[0]).walls:
        pytest.skip("without namespaces there is no folder to write to")
    assert cage.run(engine, Setup(best(USERS[0]), scratch).pack(), FLOODS, USERS[0]) == ["ENOSPC", "ENOSPC"]


def test_a_worker_sees_one_process_one_interface_and_its_own_root(engine: Path, scratch: str) -> None:
    blueprint = best(USERS[0]).without(Wall.LANDLOCK)  # which would refuse the listing
    if not blueprint.walls >= NAMESPACES:
        pytest.skip("namespaces are not permitted here")
    source = "import os\nresult = [[p for p in os.listdir('/proc') if p.isdigit()], "
    source += "open('/proc/self/net/dev').read().count(':'), os.getpid(), os.listdir('/'), ground.readable]"
    processes, interfaces, pid, root, readable = cage.run(engine, Setup(blueprint, scratch).pack(), source, USERS[0])
    assert (processes, interfaces, pid) == (["1"], 1, 1)
    assert set(root) <= {Path(p).parts[1] for p in (*readable, scratch, "/dev", "/proc", "/sys")}


def test_only_the_package_and_libraries_are_readable() -> None:
    paths = ground.readable()
    package = str(Path(ground.__file__).parent.parent)
    repository = str(Path(package).parent)
    assert package in paths
    assert not any(Path(repository).is_relative_to(p) for p in paths if p != package)
    assert not any(Path(repository, "reference").is_relative_to(p) for p in paths)


BOMB = """
import os, signal, time
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in (signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
            time.sleep(600)
        time.sleep(600)
with os.scandir("/proc") as entries: result = sum(e.name.isdigit() for e in entries)
"""


@pytest.mark.skipif(not ROOT, reason="only root sees the environment of all processes")
def test_the_death_of_process_1_is_the_death_of_all(engine: Path, scratch: str) -> None:
    blueprint = best(0)
    if Wall.PROCESSES not in blueprint.walls:
        pytest.skip("namespaces are not permitted here")
    weak = Blueprint(blueprint.walls - {Wall.SECCOMP, Wall.LANDLOCK}, blueprint.opener)
    assert cage.run(engine, Setup(weak, scratch).pack(), BOMB, 0) >= 7
    assert processes_of(engine) == []


def processes_of(engine: Path) -> list[str]:
    """Every process that this copy of the engine started, told by its environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if str(engine).encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found


def test_a_wall_that_cannot_be_built_stops_the_worker(engine: Path, trap: Trap, scratch: str) -> None:
    wall = Wall.UID if USERS[-1] else Wall.MOUNTS
    blueprint = Blueprint(best(USERS[-1]).walls | {wall}, Opener.NONE)
    report = tried(engine, Setup(blueprint, scratch, trap.bait), USERS[-1])
    assert "level" not in report
    assert report["failed"] in (Wall.UID, Wall.PROCESSES)


@pytest.mark.skipif(not ROOT, reason="root gives workers their own user ids")
def test_workers_have_different_users() -> None:
    uids = ground.own_uids()
    first, second = next(uids), next(uids)
    assert first != second
    assert min(first, second) >= 60_000


def test_an_interpreter_that_the_workers_user_cannot_read_is_said(engine: Path, trap: Trap, scratch: str) -> None:
    if not ROOT:
        pytest.skip("root gives workers their own user ids")
    (engine / "grader").chmod(0o700)
    try:
        report = tried(engine, Setup(Blueprint(EVERY - NAMESPACES), scratch, trap.bait), 0)
    finally:
        (engine / "grader").chmod(0o755)
    assert report["failed"] == Wall.UID
    assert "readable for every user" in report["reason"]


def test_the_heap_moves_into_huge_pages(engine: Path) -> None:
    source = "from grader.sandbox import huge\nheap = bytearray(32 << 20)\nresult = huge.heap()"
    done = cage.run(engine, Setup(Blueprint(), "/").pack(), source, USERS[0])
    assert (done > 0) == Path("/sys/kernel/mm/transparent_hugepage").is_dir()


MOVED = """import os
from pathlib import Path
import numpy as np
from grader.sandbox import huge

def work():
    return (np.arange(90_000.0).reshape(300, 300) @ np.ones((300, 300))).sum()

def lies_in(block):
    return [(start, rights, file) for start, end, rights, file in huge._maps() if start <= block < end][0]

before, blocks = work(), huge.run_by(work)
files = {block: lies_in(block) for block in blocks}
bytes_before = {block: bytes(huge.kernel.ctypes.string_at(block, huge.HUGE)) for block in blocks}
moved = huge.code(blocks)
child = os.fork()
if child == 0:
    os._exit(0 if work() == before else 1)
result = {
    "blocks": len(blocks),
    "libraries": all(file.startswith("/") and rights == "r-xp" for _, rights, file in files.values()),
    "moved": moved,
    "as they were": all(huge.kernel.ctypes.string_at(b, huge.HUGE) == bytes_before[b] for b in blocks),
    "private": [lies_in(b)[1:] for b in blocks],
    "works": bool(work() == before),
    "in a fork": os.waitpid(child, 0)[1],
}
"""


def test_the_code_that_workers_run_moves_into_huge_pages_and_stays_what_it_was() -> None:
    code = f"{MOVED}\nimport json; print(json.dumps(result))"
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=cage.ROOT, env=alone, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["blocks"] > 0
    assert found["libraries"]
    if _has_huge_pages():
        assert found["moved"] == found["blocks"]
    assert found["as they were"]
    assert found["works"]
    assert found["in a fork"] == 0
    assert found["private"].count(["r-xp", ""]) == found["moved"]


def _has_huge_pages() -> bool:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return setting.is_file() and "[never]" not in setting.read_text()


def test_landlock_is_new_enough_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "landlock_abi", lambda: 2)
    with pytest.raises(OSError, match="version 2, and 3"):
        landlock.restrict((), ())
