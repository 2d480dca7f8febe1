from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from grader import doctor, sandbox
from grader.doctor import Examination, Finding, Status
from grader.sandbox.blueprint import LEVELS, Evidence, Wall

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def examination() -> Examination:
    return doctor.examine()


def built(level: int, *breached: Wall) -> sandbox.Sandbox:
    """A sandbox with exactly the walls of a level, some of them breached."""
    evidence = tuple(Evidence(w, w in LEVELS[level], ("fork",) * (w in breached)) for w in Wall)
    plain = sandbox.choose(fresh=True)
    return replace(plain, isolation=plain.isolation.model_copy(update={"level": level}), evidence=evidence)


def walls(chosen: sandbox.Sandbox) -> dict[str, Finding]:
    return {f.name: f for f in doctor._walls(chosen)}


@pytest.mark.slow
def test_the_level_and_the_walls_are_those_of_a_grading(examination: Examination) -> None:
    chosen = sandbox.choose()
    assert examination.isolation.level == chosen.isolation.level
    assert examination.isolation.verified == chosen.isolation.verified
    passed = {f.name for f in examination.isolation.walls if f.status is Status.PASS}
    assert {e.wall for e in chosen.evidence if e.verified} <= passed
    assert [f.name for f in examination.isolation.walls] == list(Wall)


@pytest.mark.slow
def test_the_json_has_level_verified_and_every_wall(examination: Examination) -> None:
    value = json.loads(examination.to_json())
    assert value["isolation"]["level"] in (1, 2, 3, 4)
    assert isinstance(value["isolation"]["verified"], bool)
    assert {w["status"] for w in value["isolation"]["walls"]} <= {"PASS", "CAUTION", "FAIL"}
    assert value["status"] == examination.status


@pytest.mark.slow
def test_the_table_shows_every_finding(examination: Examination) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(doctor.table(examination))
    text = console.export_text()
    assert f"Isolation level {examination.isolation.level} of 4" in text
    assert all(f.name in text for f in (*examination.isolation.walls, *examination.machine))


@pytest.mark.parametrize("level", [4, 3, 2])
def test_what_a_level_lacks_is_caution_with_a_remedy(level: int) -> None:
    found = walls(built(level))
    missing = set(Wall) - LEVELS[level] - ({Wall.UID} if level == 4 else set())
    assert {n for n, f in found.items() if f.status is Status.CAUTION} == missing
    assert all(found[w].remedy.endswith(".") for w in missing)


def test_a_breached_wall_fails_and_says_how() -> None:
    found = walls(built(4, Wall.SECCOMP))[Wall.SECCOMP]
    assert (found.status, found.detail) == (Status.FAIL, "a worker could fork")
    assert found.remedy


def test_process_only_fails_at_every_wall_that_level_2_has() -> None:
    found = walls(built(1))
    assert {n for n, f in found.items() if f.status is Status.FAIL} == set(Wall)


def test_data_is_the_file_that_is_given(tmp_path: Path) -> None:
    file = tmp_path / "cifar.safetensors"
    assert doctor._data(file).status is Status.FAIL
    file.write_bytes(bytes(3 << 20))
    assert (doctor._data(file).status, "3 MiB" in doctor._data(file).detail) == (Status.PASS, True)
    assert doctor._data(None).status is Status.CAUTION


def test_how_torch_was_built_is_read_without_importing_it() -> None:
    import torch

    assert doctor._torch_has_cuda() == (torch.version.cuda is not None)


@pytest.mark.parametrize(("free", "status"), [(3 << 30, "PASS"), (1 << 30, "CAUTION"), (1 << 20, "FAIL")])
def test_disk_is_judged_by_what_is_free(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert doctor._disk(Path("/")).status == status


def test_a_package_that_workers_cannot_read_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._torch().status is Status.PASS
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = doctor._torch()
    assert (found.status, f"torch lies in {tmp_path}, which" in found.detail) == (Status.FAIL, True)
    assert sys.prefix in found.remedy


@pytest.mark.slow
def test_it_does_not_import_torch() -> None:
    code = "import sys; from grader import doctor; doctor.examine(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_worst_finding_is_the_status() -> None:
    isolation = doctor.IsolationFinding(level=4, name="full", verified=True, reason="", walls=())
    findings = [Finding(name="x", status=s, detail="") for s in (Status.PASS, Status.CAUTION, Status.FAIL)]
    worst = [Examination(isolation=isolation, machine=tuple(findings[:n])).status for n in range(4)]
    assert worst == [Status.PASS, Status.PASS, Status.CAUTION, Status.FAIL]
