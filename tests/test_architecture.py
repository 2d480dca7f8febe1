"""The promises that no function can keep: who imports whom, and what is in the package."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.kit import fill

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "grader"
ATTACKS = ROOT / "tests" / "attacks"
WITHOUT_TORCH = [
    "assignment",
    "batch",
    "charts",
    "cli",
    "terminal.console",
    "content",
    "errors",
    "intake",
    "model",
    "recipe",
]
WITHOUT_TORCH += ["plan", "report", "assignment.rubric", "statistics", "report.summary", "text", "judge.unjudged"]
WITHOUT_TORCH += ["store.basis", "pages", "terminal.progress", "store.remainder", "terminal.remembered", "store"]
WITHOUT_TORCH += ["engines.bench"]  # it starts the zygotes before it imports torch, so that they do so side by side
BESIDE_STUDENT_CODE = ["untrusted.zygote", "untrusted.fresh", "sandbox.ground", "sandbox.landlock", "sandbox.linux"]
BESIDE_STUDENT_CODE += ["sandbox.plain", "sandbox.probe", "sandbox.trial"]
# `sandbox` itself holds the choice of a sandbox, which is the judge's and imports what it needs when it chooses.
OWN_EXCEPTIONS = ["errors", "sandbox.survey", "model"]


def run(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_describes_and_what_shows_does_not_import_torch():
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n"
    code += "    importlib.import_module('grader.' + name)\n    if 'torch' in sys.modules: sys.exit(name)\n"
    result = run(sys.executable, "-c", code, *WITHOUT_TORCH)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
def test_help_is_said_without_torch():
    code = "import sys; from grader import cli; sys.argv = ['grader', '--help']\n"
    code += "try: cli.main()\nexcept SystemExit: print('torch' in sys.modules)"
    said = run(sys.executable, "-c", code).stdout
    assert "grade" in said
    assert said.rstrip().endswith("False")


def file_of(module: str) -> Path | None:
    """The file of a module of ours; None for what is no module."""
    path = PACKAGE.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def ours(name: str, names: list[str]) -> set[str]:
    """The modules of ours behind `from grader.name import names`, packages on the way included."""
    whole = name.removeprefix("grader").removeprefix(".")
    parts = whole.split(".") if whole else []
    packages = {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
    return packages | {m for m in (".".join([*parts, n]) for n in names) if file_of(m)}


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Modules of ours, and top-level names of others', that a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {id(n) for i in ast.walk(tree) if is_type_checking(i) for n in ast.walk(i)}
    own: set[str] = set()
    others: set[str] = set()
    for node in (n for n in ast.walk(tree) if id(n) not in typing_only):
        if isinstance(node, ast.Import):
            others |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: a relative import"
            if node.module.partition(".")[0] == "grader":
                own |= ours(node.module, [a.name for a in node.names])
            else:
                others.add(node.module.partition(".")[0])
    return own, others


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def closure(modules: list[str]) -> dict[str, set[str]]:
    """Every module of ours that these lead to -> what it imports from others."""
    found: dict[str, set[str]] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or (path := file_of(module)) is None:
            continue
        own, found[module] = imports_of(path)
        waiting += [m for m in own if module != "sandbox" or m not in OWN_EXCEPTIONS]
    return found


def test_what_runs_beside_student_code_imports_the_standard_library_torch_and_itself_only():
    allowed = set(sys.stdlib_module_names) | {"torch", "grader"}
    foreign = {module: others - allowed for module, others in closure(BESIDE_STUDENT_CODE).items() if others - allowed}
    assert foreign == {}


def test_what_runs_beside_student_code_is_none_of_the_trusted_side():
    modules = set(closure(BESIDE_STUDENT_CODE))
    trusted = {"judge", "reference", "student", "assignment", "data", "measurement", "trainer", "intake", "processes"}
    trusted |= {"compare", "statistics", "model", "report", "store"}
    assert modules >= {f"source.{m}" for m in ("files", "flow", "notebook", "scope")}
    assert modules >= {"untrusted.worker", "untrusted.answers", "wire", "training", "graph.capture"}
    assert {m.partition(".")[0] for m in modules} & trusted == set()
    assert "graph.rebuild" not in modules


@pytest.mark.slow
def test_a_zygote_has_nothing_of_the_trusted_side_in_memory():
    beside = "grader.untrusted.zygote, grader.untrusted.fresh, grader.untrusted.worker, grader.sandbox.trial"
    code = f"import {beside}, sys; print(*sys.modules)"
    loaded = {m for m in run(sys.executable, "-c", code).stdout.split() if m.startswith(("grader", "pydantic"))}
    assert "grader.untrusted.worker" in loaded
    known = {f"grader.{m}" for m in closure(BESIDE_STUDENT_CODE)} | {"grader", "grader.errors"}
    assert loaded <= known


def test_imports_point_down():
    result = run(Path(sys.executable).with_name("lint-imports"))
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy of what is tracked."""
    copy, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    result = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, cwd=copy)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return dist


def wheel_names(built: Path) -> list[str]:
    return zipfile.ZipFile(next(built.glob("*.whl"))).namelist()


def sdist_names(built: Path) -> list[str]:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


@pytest.mark.slow
def test_every_module_ships_and_grader_is_the_only_name(built: Path):
    names = wheel_names(built)
    modules = {p.relative_to(ROOT).as_posix() for p in PACKAGE.rglob("*.py")}
    assert modules <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"grader"}


@pytest.mark.slow
def test_the_content_that_students_may_see_ships(built: Path):
    names = set(wheel_names(built))
    for folder, patterns in {"assignments": ["**/*"], "reports": ["*"]}.items():
        files = {p for pattern in patterns for p in (ROOT / folder).glob(pattern) if p.is_file()}
        files = {p for p in files if not {"__pycache__", "out"} & set(p.relative_to(ROOT).parts)}
        assert {f"grader/{p.relative_to(ROOT).as_posix()}" for p in files} <= names


@pytest.mark.slow
def test_the_attacks_ship_whole(built: Path):
    files = {p for p in ATTACKS.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert len(files) > 400
    assert {f"grader/attacks/{p.relative_to(ATTACKS).as_posix()}" for p in files} <= set(wheel_names(built))


def test_no_line_of_the_reference_is_in_an_attack():
    """But for what anybody would write: lines of forty letters are not written twice by chance."""
    attacks = {line.strip() for p in ATTACKS.rglob("*.*") if p.is_file() for line in p.read_bytes().splitlines()}
    public = {line.strip() for p in (ROOT / "assignments").rglob("*.*") for line in p.read_bytes().splitlines()}
    told = {line.strip() for data in secrets().values() for line in data.splitlines()} - public
    assert len(told) > 100
    assert [line for line in told & attacks if len(line) >= 40] == []


def secrets() -> dict[str, bytes]:
    """Files of the reference, by name, long enough that none is elsewhere by chance."""
    files = [p for p in (ROOT / "reference").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {p.relative_to(ROOT).as_posix(): p.read_bytes() for p in files if p.stat().st_size > 40}


@pytest.mark.slow
def test_nothing_of_the_reference_ships(built: Path):
    assert len(secrets()) > 10
    wheel = zipfile.ZipFile(next(built.glob("*.whl")))
    contents = {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        for member in (m for m in archive.getmembers() if m.isfile()):
            contents[member.name] = archive.extractfile(member).read()  # type: ignore[union-attr]  # a file
    assert [
        n for n in [*wheel_names(built), *sdist_names(built)] if n.startswith(("reference", "grader/reference/"))
    ] == []
    shipped = set(contents.values())
    assert [name for name, data in secrets().items() if data in shipped] == []
    lines = {line.strip() for d in secrets().values() for line in d.splitlines() if b"def test_" in line}
    public = b"\n".join(p.read_bytes() for p in (ROOT / "assignments").rglob("*.py"))
    hidden = [line for line in lines if line not in public]
    assert hidden
    assert [line for line in hidden if any(line in data for data in shipped)] == []


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked where no checkout is near."""
    target = tmp_path_factory.mktemp("installed")
    shutil.unpack_archive(next(built.glob("*.whl")), target, "zip")
    return target


def grader(installed: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The installed command: -P and the path keep the checkout away."""
    return run(sys.executable, "-P", "-m", "grader.cli", *arguments, cwd=installed, PYTHONPATH=str(installed))


@pytest.mark.slow
def test_the_installed_command_is_the_installed_one_and_helps(installed: Path):
    code = "import grader; print(grader.__file__)"
    where = run(sys.executable, "-P", "-c", code, cwd=installed, PYTHONPATH=str(installed)).stdout
    assert where.strip() == str(installed / "grader" / "__init__.py")
    assert "check" in grader(installed, "--help").stdout


@pytest.mark.slow
def test_the_installed_command_checks_the_starter(installed: Path):
    starter = installed / "grader" / "assignments" / "cnn-cifar10" / "handout" / "submission.py"
    result = grader(installed, "check", starter, "--question", "q2")  # the kit below is checked whole
    assert result.returncode == 2, result.stderr
    assert "MISSING" in result.stdout
    assert "INTERNAL" not in result.stdout


@pytest.mark.slow
def test_the_installed_command_has_the_attacks(installed: Path):
    code = "from grader.doctor import hostile; print(hostile.suite(), len(hostile.cases(hostile.suite())))"
    found = run(sys.executable, "-P", "-c", code, cwd=installed, PYTHONPATH=str(installed))
    folder, count = found.stdout.split()
    assert (Path(folder), found.stderr) == (installed / "grader" / "attacks", "")
    assert int(count) >= 90


# ------------------------------------------------------------------------------------ the kit, on a machine of its own

VERDICT = re.compile(r"^ ([A-Z_]{6,}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def student(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's machine: an environment with nothing but the wheel and what it needs, and the unpacked kit."""
    home = tmp_path_factory.mktemp("student")
    python = home / "venv" / "bin" / "python"
    for step in (
        [sys.executable, "-m", "venv", "--without-pip", home / "venv"],
        [
            sys.executable,
            "-m",
            "pip",
            "-q",
            "--python",
            python,
            "install",
            "--no-deps",
            "--no-index",
            *built.glob("*.whl"),
        ],
    ):
        result = run(*step, cwd=home)
        assert result.returncode == 0, result.stderr
    [packages] = (home / "venv").glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    made = run(home / "venv" / "bin" / "grader", "handout", "-o", home / "kit.zip", cwd=home)
    assert made.returncode == 0, made.stderr
    shutil.unpack_archive(home / "kit.zip", home)
    return home


def check(student: Path, kit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`grader check`, in the kit's folder."""
    return run(student / "venv" / "bin" / "grader", "check", *arguments, cwd=kit, COLUMNS="160", PYTHONPATH="")


@pytest.fixture
def kit(student: Path, tmp_path: Path) -> Path:
    """A copy of the kit, to write in."""
    return shutil.copytree(student / "cnn-cifar10", tmp_path / "kit")


@pytest.mark.slow
def test_a_students_machine_has_the_wheel_and_no_checkout(student: Path):
    code = "import grader, torch; print(grader.__file__)"
    where = run(student / "venv" / "bin" / "python", "-c", code, cwd=student, PYTHONPATH="").stdout
    assert Path(where).is_relative_to(student / "venv")


@pytest.mark.slow
@pytest.mark.parametrize(("starter", "how"), [("submission.py", "--fresh"), ("submission.ipynb", "--lang=en")])
def test_the_unchanged_starter_is_told_what_to_do_everywhere(student: Path, kit: Path, starter: str, how: str):
    result = check(student, kit, starter, how)
    assert (result.returncode, result.stderr) == (2, "")
    assert set(VERDICT.findall(result.stdout)) <= {"MISSING", "SKIPPED", "FAILED"}
    assert len(VERDICT.findall(result.stdout)) == 30
    assert "0 of 30 public checks pass; hidden checks are not part of this kit (there are 21)" in result.stdout
    assert "put your own answer" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("starter", "how"), [("submission.py", "--lang=en"), ("submission.ipynb", "--fresh")])
def test_the_starter_filled_in_passes_everything_on_the_kit_alone(student: Path, kit: Path, starter: str, how: str):
    fill(kit / starter)
    result = check(student, kit, starter, "-a", str(kit), how)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert "30 of 30 public checks pass; hidden checks are not part of this kit (there are 21)" in result.stdout


# --------------------------------------------------------------------------------------- systems that are not Linux

ELSEWHERE = """
import asyncio, importlib, multiprocessing.spawn, os, pkgutil, signal, socket, subprocess, sys, tempfile, types
import jinja2, pandas, pydantic, pytest, rich.progress, safetensors.torch, scipy.stats, torch, torchvision, typer

MODULES = "fcntl grp pwd resource termios".split()
MISSING = {
    os: "fork forkpty killpg setsid getuid geteuid getpgid sched_getaffinity mkfifo pidfd_open chroot O_NOFOLLOW "
    "O_DIRECTORY O_NONBLOCK O_CLOEXEC",
    signal: "SIGKILL SIGXCPU SIGALRM SIGHUP pidfd_send_signal pthread_sigmask alarm",
    socket: "AF_UNIX send_fds recv_fds SCM_RIGHTS CMSG_LEN",
}
sys.modules.update(dict.fromkeys(MODULES), msvcrt=types.ModuleType("msvcrt"))
for module, names in MISSING.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "win32"

import grader

for module in pkgutil.walk_packages(grader.__path__, "grader."):
    try:
        importlib.import_module(module.name)
    except ImportError as e:
        print(module.name.removeprefix("grader."), e.name)
"""
LINUX_ALONE = {"sandbox.linux", "sandbox.probe", "sandbox.trial"}  # the walls, what tries them, and what both start
NOT_INSTALLED = {"ray", "submitit", "starlette", "uvicorn", "canvasapi"}


@pytest.mark.slow
def test_every_module_but_the_walls_can_be_imported_where_there_is_no_posix():
    result = run(sys.executable, "-c", ELSEWHERE)
    assert (result.returncode, result.stderr) == (0, "")
    failed = dict(line.split() for line in result.stdout.splitlines())
    assert {name for name, lacks in failed.items() if lacks not in NOT_INSTALLED} == LINUX_ALONE
