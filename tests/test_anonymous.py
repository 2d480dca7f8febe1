"""Codes instead of people: in no page, file name, table or scorecard is there a name, and the key leads back."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader import cli, report
from grader.errors import UsageError
from grader.model import Gradebook, Mark
from grader.report import anonymous
from grader.store import Run, Store
from tests import gradebooks

NAMES = {"b10902001": "Ada Lovelace", "wang": "王小明", "x.y@z.edu": "Max Li"}


def signed() -> Gradebook:
    """A class whose every text is signed."""
    cards = []
    for i, (student, name) in enumerate(NAMES.items()):
        card = gradebooks.scorecard(student, seed=i, index=0)
        signature = f"by {name}, {student.upper()}; max_pool of Max"
        first = card.questions[0]
        signed_check = first.checks[0].model_copy(update={"message": signature, "detail": signature})
        question = first.model_copy(
            update={
                "checks": (signed_check, *first.checks[1:]),
                "explanation": f"我是{name}。{signature}",
                "source": (f"conv: found ({student}.py, line 3)", f"{student}.py, line 1: left out: # {name}"),
                "override": Mark(points=1.0, who="Prof. Chen", at="2026-11-22T09:00:00Z", why=f"{name} asked"),
            }
        )
        values = {
            "name": name,
            "members": (student,),
            "output": signature,
            "notes": (signature,),
            "flags": (signature,),
        }
        cards.append(card.model_copy(update=values | {"questions": (question, *card.questions[1:])}))
    return gradebooks.book(cards)


def test_no_file_holds_a_name_or_is_named_after_one(tmp_path: Path) -> None:
    book = signed()
    report.write(anonymous.anonymous(book, anonymous.draw(NAMES)), tmp_path)
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(written) == 8
    text = "".join(p.name + p.read_text(encoding="utf-8") for p in written).casefold()
    found = [w for w in (*NAMES, *NAMES.values(), "lovelace", "prof. chen") if w.casefold() in text]
    assert found == []


def test_ordinary_words_that_are_part_of_a_name_stay() -> None:
    key = anonymous.draw(NAMES)
    card = anonymous.anonymous(signed(), key).scorecards[0]
    assert f"max_pool of {key['x.y@z.edu']}" in card.questions[0].checks[0].message


def test_points_and_verdicts_are_everybodys_own() -> None:
    book, key = signed(), anonymous.draw(NAMES)
    points = {s.student_id: (s.points, s.pending_points, [c.verdict for c in s.checks]) for s in book.scorecards}
    hidden = anonymous.anonymous(book, key)
    back = {code: student for student, code in key.items()}
    found = {back[s.student_id]: (s.points, s.pending_points, [c.verdict for c in s.checks]) for s in hidden.scorecards}
    assert found == points
    assert [s.student_id for s in hidden.scorecards] == sorted(key.values())


def test_similar_submissions_are_named_by_codes_and_quote_nothing() -> None:
    key = anonymous.draw(NAMES)
    found = anonymous.anonymous(signed(), key).similarity
    assert found
    assert {s for pair in found.pairs for s in pair.students} == set(key.values())
    assert not [pair for pair in found.pairs if pair.left or pair.right]


def test_codes_differ_stay_for_who_has_one_and_say_nothing() -> None:
    key = anonymous.draw(f"s{i}" for i in range(200))
    assert len(set(key.values())) == 200
    assert anonymous.draw(["s7", "new"], key).items() >= key.items()
    assert anonymous.draw(["s7"])["s7"] != key["s7"]


def test_a_key_is_read_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    path, key = tmp_path / "key.json", anonymous.draw(NAMES)
    anonymous.write(key, path)
    assert anonymous.read(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert anonymous.read(tmp_path / "none") == {}


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"a": 1})])
def test_what_is_no_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(UsageError, match=r"key\.json is no key of codes"):
        anonymous.read(tmp_path / "key.json")


def graded(folder: Path) -> None:
    """A folder in which the signed class was graded."""
    book = signed()
    fields = dict.fromkeys(
        ("assignment_digest", "reference_digest", "engine", "python", "torch", "device", "recipe"), ""
    )
    run = Run(assignment=book.assignment, seed=0, data_digest="", isolation=0, basis="", environment={}, **fields)
    with Store(folder, write=True) as store:
        number = store.begin(run, [(s.student_id, s.submission_digest) for s in book.scorecards])
        for card in book.scorecards:
            store.add_scorecard(number, card, "")


@pytest.mark.slow
def test_the_command_writes_pages_under_codes_and_keeps_the_key_outside(tmp_path: Path) -> None:
    graded(tmp_path)
    done = CliRunner().invoke(cli.application(), ["report", str(tmp_path), "--anonymous"], catch_exceptions=False)
    key = anonymous.read(tmp_path / "anonymous-key.json")
    assert (done.exit_code, set(key)) == (0, set(NAMES))
    pages = {p.stem for p in (tmp_path / "anonymous" / "students").iterdir()}
    assert pages == set(key.values())
    again = CliRunner().invoke(cli.application(), ["report", str(tmp_path), "--anonymous"], catch_exceptions=False)
    assert (again.exit_code, anonymous.read(tmp_path / "anonymous-key.json")) == (0, key)
