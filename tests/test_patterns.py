"""The corpus of submissions holds every pattern of patterns.toml, in enough cases and notebooks."""

from __future__ import annotations

import tomllib

import pytest

from tests.hurried import ROOT

TESTS = ROOT / "tests"
CASES = {path.parent.name for path in (TESTS / "submissions").glob("*/expect.toml")}
GROUPS = tomllib.loads((TESTS / "patterns.toml").read_text(encoding="utf-8"))


def is_there(evidence: str) -> bool:
    """Whether a case, or a test of a module, is there."""
    module, _, test = evidence.partition(".")
    if not test:
        return module in CASES
    return f"\ndef {test}(" in (TESTS / f"{module}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", GROUPS)
def test_every_pattern_has_a_case(group: str) -> None:
    for pattern, evidence in GROUPS[group].items():
        assert evidence, pattern
        assert [e for e in evidence if not is_there(e)] == [], pattern


def test_there_are_a_hundred_cases_and_thirty_notebooks() -> None:
    notebooks = {path.parent for path in (TESTS / "submissions").rglob("*.ipynb")}
    assert len(CASES) >= 100
    assert len(notebooks) >= 30
