"""A class on two real nodes of Ray, and as jobs of submitit's: the results are those of one machine."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.interrupted import ROOT, Course, graded_twice, results

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

STUDENTS = 30  # enough that a node which is killed at the start is missed before all are graded
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.2"}  # bytes; the least Ray takes

SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("course"), STUDENTS).write()


@pytest.fixture(scope="module")
def undisturbed(course: Course) -> dict[str, Any]:
    process = start(course, course.folder / "undisturbed", "--engine", "local")
    assert process.communicate()[1] == ""
    return results(course.folder / "undisturbed")


def start(course: Course, out: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    """`grader grade --json-lines` on an engine, with a temporary folder of its own."""
    temporary = course.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    where = ["-a", course.folder / "assignment", "--reference", course.folder / "reference", "-o", out]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "grader.cli",
            "grade",
            course.folder / "class",
            *where,
            "--json-lines",
            "--device",
            "cpu",
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TORCHGRADER_CACHE": str(course.folder / "cache"), "TMPDIR": str(temporary)} | environment,
    )


def left_behind(course: Course) -> list[str]:
    """Jobs' folders, with the reference in them, that are still there."""
    folders = [course.folder / "temporary", course.folder / "cache"]
    return [p.name for f in folders for kind in ("torchgrader.job*", "slurm-*") for p in f.glob(kind)]


def jobs_of_nodes() -> list[Path]:
    """The folders of the jobs that are under way on the nodes of `cluster_of_one`."""
    return list(Path(os.environ["TMPDIR"]).glob("torchgrader.job*"))


@contextmanager
def cluster_of_one() -> Iterator[Any]:
    """A Ray cluster of one raylet on the loopback, which asks for a token, in a folder with a name short enough."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        names = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
        for name, value in (names | {"TMPDIR": folder, "TORCHGRADER_CACHE": f"{folder}/cache"}).items():
            patch.setenv(name, value)
        pytest.importorskip("ray", reason="Ray is not installed")
        cluster = importlib.import_module("ray.cluster_utils").Cluster(
            initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "_system_config": SOON}
        )
        try:
            yield cluster
        finally:
            cluster.remove_node(cluster.head_node, allow_graceful=False)  # the graceful way takes half a minute


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # Ray leaves its own log files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_node_of_ray_changes_no_grade(course: Course, undisturbed: dict[str, Any], tmp_path: Path):
    events = []
    with cluster_of_one() as cluster:
        second = cluster.add_node(**NODE)
        with start(course, tmp_path / "out", "--engine", "ray", "--address", cluster.address) as process:
            for line in process.stdout or ():
                events.append(json.loads(line))
                if second and len(jobs_of_nodes()) == 2:  # both are at it; who is ready first may soon have graded all
                    cluster.remove_node(second, allow_graceful=False)  # SIGKILL
                    second = None
            assert (process.wait(), process.stderr and process.stderr.read()) == (0, "")
        where = ["--engine", "ray", "--address", cluster.address]
        refused = start(course, tmp_path / "refused", *where, RAY_AUTH_TOKEN=secrets.token_hex(32))
        complaint = refused.communicate()[1]
        assert (refused.returncode, "refuses our token" in complaint, complaint.count("\n")) == (2, True, 1)
    assert any("graded again elsewhere" in e["text"] for e in events if e["event"] == "note")
    assert results(tmp_path / "out") == undisturbed
    assert graded_twice(tmp_path / "out") == []


def test_jobs_of_submitit_give_what_one_machine_gives(course: Course, undisturbed: dict[str, Any], tmp_path: Path):
    pytest.importorskip("submitit", reason="submitit is not installed")
    process = start(course, tmp_path / "out", "--engine", "slurm", "--address", "local")
    _, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    assert results(tmp_path / "out") == undisturbed
    assert left_behind(course) == []
