"""Which sandbox is chosen, that the level is the honest one, and that a requirement fails closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import sandbox
from grader.errors import SandboxUnavailable
from grader.sandbox.blueprint import LEVELS, NAMESPACES, Blueprint, Evidence, Opener, Wall, from_report, to_report
from tests import cage

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Linux walls")
USERS = [0, cage.NOBODY] if os.geteuid() == 0 else [os.geteuid()]


@pytest.fixture(scope="module")
def engine() -> Iterator[Path]:
    with cage.engine() as folder:
        yield folder


def standing(walls: frozenset[Wall]) -> tuple[Evidence, ...]:
    return tuple(Evidence(w, w in walls) for w in Wall)


@pytest.mark.parametrize("level", [4, 3, 2, 1])
def test_the_level_is_read_off_the_walls_that_stand(level: int) -> None:
    assert to_report(standing(LEVELS[level]))["level"] == level


def test_a_wall_that_was_built_and_breached_does_not_stand() -> None:
    evidence = [Evidence(e.wall, e.applied, ("fork",) * (e.wall is Wall.SECCOMP)) for e in standing(LEVELS[4])]
    assert to_report(evidence)["level"] == 1


def test_a_report_can_be_read_again_and_its_level_is_not_believed() -> None:
    evidence = standing(LEVELS[2])
    assert from_report({**to_report(evidence), "level": 4}) == evidence


def test_a_fresh_interpreter_each_is_level_1_and_said_not_to_be_a_sandbox() -> None:
    chosen = sandbox.choose(fresh=True)
    assert (chosen.isolation.level, chosen.isolation.verified, chosen.forks) == (1, False, False)
    assert "not a sandbox" in chosen.isolation.reason


@pytest.mark.parametrize("level", [2, 4, 5])
def test_a_level_that_is_required_and_not_reached_ends_with_a_sentence(level: int) -> None:
    with pytest.raises(SandboxUnavailable, match=f"level {level} .* reaches level 1 .*Nothing was run"):
        sandbox.choose(require=level, fresh=True)


@linux_only
@pytest.mark.slow
def test_the_choice_is_what_its_evidence_shows() -> None:
    chosen = sandbox.choose()
    verified = frozenset(e.wall for e in chosen.evidence if e.verified)
    assert LEVELS[chosen.isolation.level] <= verified
    assert chosen.isolation.verified == (chosen.isolation.level > 1)
    assert sandbox.choose(require=chosen.isolation.level).isolation.level == chosen.isolation.level


@linux_only
@pytest.mark.slow
def test_a_secret_folder_that_can_be_read_from_inside_is_no_sandbox(tmp_path: Path) -> None:
    """A folder of the interpreter's stands for a reference that was put where workers read."""
    chosen = sandbox.choose(folders=[tmp_path])
    exposed = sandbox.choose(folders=[Path(os.__file__).parent])
    assert exposed.isolation.level == 1 < chosen.isolation.level
    assert "list a secret folder" in exposed.isolation.reason


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("uid", USERS)
def test_without_namespaces_the_level_is_3_for_root_and_2_for_others(engine: Path, uid: int) -> None:
    found = cage.survey(engine, uid, "namespaces")
    assert found["level"] == (2 if uid else 3)
    assert not set(found["walls"]) & NAMESPACES
    assert any("Operation not permitted" in sentence for sentence in found["missing"])


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("wall", ["landlock", "seccomp"])
@pytest.mark.parametrize("uid", USERS)
def test_without_landlock_or_seccomp_it_is_level_1_with_what_can_be_built(engine: Path, uid: int, wall: str) -> None:
    found = cage.survey(engine, uid, wall)
    named = {"landlock": "Landlock", "seccomp": "seccomp"}[wall]
    assert found["level"] == 1
    assert named not in found["walls"]
    assert Wall.LIMITS in found["walls"]
    assert any(sentence.startswith(named) for sentence in found["missing"])


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("uid", USERS)
def test_each_user_gets_the_level_that_the_machine_permits(engine: Path, uid: int) -> None:
    found = cage.survey(engine, uid)
    user = {"user": uid, "group": uid, "extra_groups": []} if len(USERS) > 1 else {}
    flags = "--pid --fork" if uid == 0 else "--user --map-root-user --pid --fork"
    able = subprocess.run(["unshare", *flags.split(), "true"], **user, stderr=subprocess.DEVNULL).returncode == 0
    assert found["level"] == (4 if able else 2 if uid else 3)


@linux_only
def test_the_walls_import_nothing_but_the_standard_library() -> None:
    """They run beside student code; and a zygote without pydantic is smaller."""
    code = "import sys; from grader.sandbox import linux, trial, survey\n"
    code += "print(sorted(m for m in sys.modules if m.partition('.')[0] in ('torch', 'numpy', 'pydantic')))\n"
    code += "print(sorted(m for m in sys.modules if m.startswith('grader') and 'sandbox' not in m))"
    done = subprocess.run([sys.executable, "-c", code], cwd=cage.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['grader', 'grader.errors', 'grader.scratch']"]


def test_a_blueprint_crosses_as_json_and_an_unknown_wall_is_refused() -> None:
    blueprint = Blueprint(LEVELS[4], Opener.USER_NAMESPACE)
    assert Blueprint.from_body(blueprint.to_body()) == blueprint
    with pytest.raises(ValueError, match="moat"):
        Blueprint.from_body({"walls": ["moat"], "opener": "nothing"})
