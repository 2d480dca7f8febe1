"""check50, run locally: each check in a process of its own, as the student and with the student's rights."""

from __future__ import annotations

from pathlib import Path

from benchmarks.graders import content, measured
from benchmarks.graders.content import Scores, Sources

HEAD = f"""import importlib.util
import types

import check50
{content.HELPERS}

solution = types.SimpleNamespace()
exec({content.REFERENCE!r}, vars(solution))


def load():
    spec = importlib.util.spec_from_file_location("submission", "submission.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def graded(body):
    try:
        body()
    except Exception as e:
        raise check50.Failure(str(e))

"""


class Check50:
    """`check50 --dev` in each submission's folder; without --dev or --local it uploads to a server."""

    name = "check50 --dev"
    packages: tuple[str, ...] = ("check50",)

    def prepare(self, folder: Path, python: Path) -> None:
        self.check50 = python.parent / "check50"
        problem = folder / "problem"
        problem.mkdir(exist_ok=True)
        (problem / ".cs50.yaml").write_text("check50:\n  checks: __init__.py\n")
        checks = [
            f'@check50.check(timeout=60)\ndef {name}():\n    """{name}"""\n\n    def body():\n'
            f"        student = load()\n        {text}\n\n    graded(body)\n"
            for name, text in content.CHECKS.items()
        ]
        (problem / "__init__.py").write_text(HEAD + "\n" + "\n\n".join(checks))

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        costs: list[measured.Cost] = []
        scores: Scores = {}
        for student, source in sources.items():
            place = folder / student
            place.mkdir(exist_ok=True)
            (place / "submission.py").write_text(source)
            out = folder / f"{student}.json"
            command: measured.Command = [self.check50, "--dev", "-o", "json", "--output-file", out, folder / "problem"]
            costs.append(measured.run(command, place))
            scores[student] = sum(r["passed"] is True for r in measured.read_json(out).get("results", []))
        return measured.total(costs), scores
