"""pytest as it stands: a process for each submission, and the yardsticks that isolate nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.graders import content, measured
from benchmarks.graders.content import Scores, Sources

HEAD = f"""import importlib.util
import os
import types

import pytest
{content.HELPERS}

solution = types.SimpleNamespace()
exec({content.REFERENCE!r}, vars(solution))


def load(path):
    spec = importlib.util.spec_from_file_location("submission_" + os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""


def files(folder: Path, sources: Sources) -> dict[str, Path]:
    """The class as files."""
    (folder / "class").mkdir(parents=True, exist_ok=True)
    paths = {student: folder / "class" / f"{student}.py" for student in sources}
    for student, path in paths.items():
        path.write_text(sources[student])
    return paths


class Pytest:
    """A pytest process for each submission, as a loop over a folder does it."""

    name = "pytest, a process each"
    packages: tuple[str, ...] = ()

    def prepare(self, folder: Path, python: Path) -> None:
        self.python = python
        tests = [f"def {name}(student):\n    {body}\n" for name, body in content.CHECKS.items()]
        fixture = '@pytest.fixture(scope="module")\ndef student():\n    return load(os.environ["SUBMISSION"])\n\n\n'
        (folder / "test_layers.py").write_text(HEAD + "\n" + fixture + "\n\n".join(tests))

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        costs: list[measured.Cost] = []
        scores: Scores = {}
        for student, path in files(folder, sources).items():
            command: measured.Command = [
                self.python,
                "-m",
                "pytest",
                "-q",
                "--tb=no",
                "-p",
                "no:cacheprovider",
                "test_layers.py",
            ]
            cost = measured.run(command, folder, {"SUBMISSION": str(path)})
            found = re.search(r"(\d+) passed", cost.output)
            scores[student] = int(found[1]) if found else 0
            costs.append(cost)
        return measured.total(costs), scores


class Session:
    """One pytest session, parametrised over the class: nothing is isolated, one bad submission spoils all."""

    name = "pytest, one session (no isolation)"
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def prepare(self, folder: Path, python: Path) -> None:
        self.python = python
        tests = [f"def {name}(student):\n    {body}\n" for name, body in content.CHECKS.items()]
        fixture = (
            'PATHS = sorted(glob.glob("class/*.py"))\n\n\n'
            '@pytest.fixture(scope="module", params=PATHS, ids=[p[6:-3] for p in PATHS])\n'
            "def student(request):\n    return load(request.param)\n\n\n"
        )
        (folder / "test_layers.py").write_text("import glob\n" + HEAD + "\n" + fixture + "\n\n".join(tests))

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        files(folder, sources)
        report = folder / "report.xml"
        report.unlink(missing_ok=True)
        command: measured.Command = [
            self.python,
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
        ]
        cost = measured.run([*command, *self.options, "test_layers.py"], folder)
        return cost, _passed(report, sources)


class Xdist(Session):
    """The same, spread over two processes by pytest-xdist."""

    name = "pytest-xdist -n 2 (no isolation)"
    packages: tuple[str, ...] = ("pytest", "pytest-xdist")
    options = ("-n", "2")


class PytestZygote(Session):
    """The same, forked from a warm pytest by pytest-zygote."""

    name = "pytest-zygote, 2 workers (no isolation)"
    packages: tuple[str, ...] = ("pytest", "pytest-zygote")
    options = ("--workers", "2")


def _passed(report: Path, sources: Sources) -> Scores:
    """Checks passed, by submission; all zero when the session left no report."""
    scores: Scores = dict.fromkeys(sources, 0)
    if not report.is_file():
        return scores
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # our own run's report
        found = re.search(r"\[(.+)\]", case.get("name", ""))
        if found and case.find("failure") is None and case.find("error") is None:
            scores[found[1]] += 1
    return scores


class GradescopeUtils:
    """gradescope-utils' run_tests.py, once for each submission, as its autograder image does it."""

    name = "gradescope-utils"
    packages: tuple[str, ...] = ("gradescope-utils",)

    def prepare(self, folder: Path, python: Path) -> None:
        self.python = python
        (folder / "tests").mkdir(exist_ok=True)
        tests = [f"    @weight(1)\n    def {name}(self):\n        {body}\n" for name, body in content.CHECKS.items()]
        head = "import unittest\n\nfrom gradescope_utils.autograder_utils.decorators import weight\n\n"
        body = 'student = load(os.environ["SUBMISSION"])\n\n\nclass TestLayers(unittest.TestCase):\n'
        text = head + HEAD.replace("import pytest\n", "") + "\n" + body + "\n".join(tests)
        (folder / "tests" / "test_layers.py").write_text(text)
        (folder / "run_tests.py").write_text(
            "import unittest\n\nfrom gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner\n\n"
            "suite = unittest.defaultTestLoader.discover('tests')\n"
            "with open('results.json', 'w') as file:\n"
            "    JSONTestRunner(visibility='visible', stream=file).run(suite)\n"
        )

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        costs: list[measured.Cost] = []
        scores: Scores = {}
        for student, path in files(folder, sources).items():
            (folder / "results.json").unlink(missing_ok=True)
            costs.append(measured.run([self.python, "run_tests.py"], folder, {"SUBMISSION": str(path)}))
            scores[student] = round(measured.read_json(folder / "results.json").get("score", 0))
        return measured.total(costs), scores
