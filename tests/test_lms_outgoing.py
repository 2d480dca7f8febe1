"""Grades on their way back: the instructor's own sheet with one column filled, and every other byte as it was."""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from grader import cli, report
from grader.errors import UsageError
from grader.lms import grades, outgoing
from grader.lms.platform import Choices
from grader.lms.sheet import Filled, Sheet
from grader.model import Gradebook, Mark, QuestionResult, Scorecard, Verdict, Visibility
from grader.store import Run, Store
from tests import gradebooks

NAMES = (
    "Doe, Jane",
    'O"Brien, "Bo"',
    "=1+1",
    '=HYPERLINK("evil","x")',
    "@SUM(A1:A9)",
    "-2+3",
    "Line\nBreak, Ann",
    "Carriage\r\nReturn",
    "שלום, דנה",
    "\u202eevil, Ada",
    "王小明",
    "🙂, Smiley 👩‍👩‍👧",
    "semi;colon, Tab\there",
    "Müller-Lüdenscheidt, Zoë",
    "  Spaces , Lead ",
    "'Quote",
)
BASE = gradebooks.failing("base", Verdict.PASSED)


def card(i: int, *, pending: bool = False, **fields: object) -> Scorecard:
    """The scorecard of the i-th student, with points in quarters."""
    passed = gradebooks.check(Verdict.PASSED, "one", 100).model_copy(update={"points": (i * 7 % 400) / 4})
    checks = [passed] + [gradebooks.check(Verdict.UNGRADED, "explanation", 6, id="explanation")] * pending
    question = QuestionResult(id="q1_conv2d", title="Q1 Convolution", checks=tuple(checks))
    values = {"student_id": f"s{i}", "questions": (question,), "name": name(i), **fields}
    return BASE.model_copy(update=values)


def name(i: int) -> str:
    return f"{NAMES[i % len(NAMES)]} {i}"


def book(*cards: Scorecard) -> Gradebook:
    return Gradebook(assignment="cnn-cifar10", title="CNN", scorecards=cards)


def table(rows: list[list[str]], *, delimiter: str = ",", end: str = "\n", mark: bytes = b"") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return mark + text.getvalue().encode()


def parsed(data: bytes, delimiter: str = ",") -> list[list[str]]:
    """As another program reads it."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def put_back(filled: bytes, original: bytes) -> bytes:
    """The filled sheet with every cell that differs written as the original writes it."""
    new, old = Sheet(filled), Sheet(original)
    parts, at = [], 0
    for mine, theirs in zip(chain(*new.rows), chain(*old.rows), strict=True):
        differs = mine.value != theirs.value
        parts += [new.text[at : mine.start], old.text[theirs.start : theirs.end] if differs else ""]
        at = mine.end if differs else mine.start
    mark = codecs.BOM_UTF8 if filled.startswith(codecs.BOM_UTF8) else b""
    return mark + ("".join(parts) + new.text[at:]).encode()


# -------------------------------------------------------------------------------------------------------------- sheets

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=40)
@given(st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]))
def test_a_sheet_reads_what_another_program_wrote(rows: list[list[str]], delimiter: str):
    rows[0] = ["a", "b", *["c"] * (len(rows[0]) - 2)]
    data = table(rows, delimiter=delimiter, end="\r\n")
    sheet = Sheet(data)
    assert sheet.delimiter == delimiter
    assert [[c.value for c in row] for row in sheet.rows] == rows
    assert sheet.with_values({}) == data


@given(st.binary(max_size=60))
def test_any_bytes_come_back_as_they_were(data: bytes):
    try:
        assert Sheet(data).with_values({}) == data
    except UsageError:
        assert b"\0" in data or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))


def test_a_cell_is_quoted_as_the_one_that_it_replaces():
    sheet = Sheet(b'a,b\r\n"x", y \r\n')
    assert sheet.with_values({(1, 0): "1", (1, 1): "2"}) == b'a,b\r\n"1",2\r\n'
    assert sheet.with_values({(1, 1): "2,5"}) == b'a,b\r\n"x","2,5"\r\n'


# -------------------------------------------------------------------------------------------------------------- Canvas

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "CNN (7001)", "Other, old (7002)", "Final Score"]


def canvas_rows(count: int) -> list[list[str]]:
    def shown(i: int) -> str:
        return f'="{name(i)}"' if name(i).startswith("=") else name(i)  # Canvas' own guard

    possible = ["    Points Possible", "", "", "", "", "100.0", "10.0", "(read only)"]
    students = [[shown(i), str(9000 + i), f"sis{i}", f"s{i}", "A, B", "", "3.5", "88"] for i in range(count)]
    return [CANVAS, possible, *students, ["Student, Test", "", "", "", "A", "", "", ""]]


def filled_canvas(data: bytes, *cards: Scorecard, **choices: object) -> Filled:
    settings = Choices(**{"column": "7001", **choices})  # type: ignore[arg-type]  # a test's keywords
    return outgoing.PLATFORMS["canvas"].fill(Sheet(data), book(*cards), settings)  # type: ignore[misc]  # it can


@pytest.mark.parametrize(
    ("delimiter", "end", "mark"), [(",", "\r\n", b""), (";", "\n", codecs.BOM_UTF8), (",", "\n", codecs.BOM_UTF8)]
)
def test_two_hundred_hostile_names_make_the_round_trip_through_canvas(delimiter: str, end: str, mark: bytes):
    data = table(canvas_rows(200), delimiter=delimiter, end=end, mark=mark)
    cards = [card(i, platform="canvas", platform_id=str(9000 + i), student_id=f"x{i}") for i in range(200)]
    filled = filled_canvas(data, *cards)
    back = {row[1]: row[5] for row in parsed(filled.data, delimiter)[2:-1]}
    assert {i: float(points) for i, points in back.items()} == {c.platform_id: round(c.points, 2) for c in cards}
    assert (len(filled.written), filled.pending, filled.unmatched, filled.remarks) == (200, (), (), ())
    assert put_back(filled.data, data) == data
    assert filled.data.startswith(mark)


def test_points_are_written_so_that_no_locale_misreads_them():
    written = [grades.number(x) for x in (7.5, 100, 0, 33.333, 1234.5)]
    assert written == ["7.5", "100", "0", "33.33", "1234.5"]
    assert grades.number(7.5, comma=True) == "7,5"


def test_canvas_students_are_found_by_login_and_by_name_too():
    data = table(canvas_rows(4))
    cards = [card(0), card(1, student_id="SIS1"), card(2, student_id="b.py"), card(3, student_id="zz", name="Nobody")]
    filled = filled_canvas(data, *cards)
    assert [row[5] != "" for row in parsed(filled.data)[2:6]] == [True, True, True, False]
    assert filled.unmatched == ("zz",)


def test_a_name_is_the_same_however_its_accents_are_encoded():
    """A Mac unpacks names with the accents apart."""
    row = ["Zo\u00eb M\u00fcller", "9000", "", "", "A", "", "", ""]
    filled = filled_canvas(table([*canvas_rows(0), row]), card(1, student_id="x", name="Zoe\u0308 Mu\u0308ller"))
    assert filled.unmatched == ()


def test_who_waits_for_a_mark_is_left_empty_unless_asked_for():
    data = table(canvas_rows(2))
    cards = [card(0, pending=True), card(1)]
    assert filled_canvas(data, *cards).pending == ("s0",)
    assert [r[5] for r in parsed(filled_canvas(data, *cards).data)[2:4]] == ["", "1.75"]
    assert [r[5] for r in parsed(filled_canvas(data, *cards, include_pending=True).data)[2:4]] == ["0", "1.75"]


def test_the_excused_stay_excused():
    data = table([*canvas_rows(1)[:2], [name(0), "9000", "", "s0", "A", "EX", "", ""]])
    filled = filled_canvas(data, card(0))
    assert filled.data == data
    assert "excused" in filled.remarks[0]


def test_the_row_of_possible_points_is_compared_and_never_changed():
    data = table(canvas_rows(1)).replace(b"100.0", b"60.0")
    filled = filled_canvas(data, card(0))
    assert "out of 60.0 points, the grading out of 100" in filled.remarks[0]
    assert filled.data.splitlines()[1] == data.splitlines()[1]


@pytest.mark.parametrize(
    ("column", "message"), [(None, "several assignments"), ("9", "no such assignment"), ("Final Score", "no such")]
)
def test_the_assignment_must_be_one(column: str | None, message: str):
    with pytest.raises(UsageError, match=rf"{message}.*CNN \(7001\), Other, old \(7002\).*--column"):
        filled_canvas(table(canvas_rows(1)), card(0), column=column)


@pytest.mark.parametrize("column", ["7001", "CNN", "CNN (7001)"])
def test_the_assignment_is_chosen_by_number_or_title(column: str):
    assert len(filled_canvas(table(canvas_rows(1)), card(0), column=column).written) == 1


def test_a_sheet_of_something_else_is_refused():
    with pytest.raises(UsageError, match="wanted Student, ID"):
        filled_canvas(b"a,b,c\n1,2,3\n", card(0))


# -------------------------------------------------------------------------------------------------------------- Moodle

MOODLE = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade", "Grade can be changed"]
MOODLE += ["Last modified (submission)", "Last modified (grade)", "Feedback comments"]


def moodle_row(i: int, **changes: str) -> list[str]:
    values = dict(zip(MOODLE, [f"Participant {500 + i}", name(i), f"s{i}@x.edu", "Submitted"], strict=False))
    rest = {"Maximum grade": "100.00", "Grade can be changed": "Yes", "Last modified (grade)": "-", **changes}
    return [{**values, **rest}.get(h, "") for h in MOODLE]


def filled_moodle(data: bytes, *cards: Scorecard, **choices: object) -> Filled:
    return outgoing.PLATFORMS["moodle"].fill(Sheet(data), book(*cards), Choices(**choices))  # type: ignore[misc,arg-type]


def participant(i: int, **fields: object) -> Scorecard:
    shown = name(i).replace("_", " ")
    return card(
        i, **{"platform": "moodle", "platform_id": str(500 + i), "name": shown, "student_id": f"p{i}", **fields}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(("maximum", "comma"), [("100.00", False), ("100,00", True)])
def test_two_hundred_hostile_names_make_the_round_trip_through_moodle(maximum: str, comma: bool):
    rows = [MOODLE, *(moodle_row(i, **{"Maximum grade": maximum}) for i in range(200))]
    data = table(rows, end="\r\n", mark=codecs.BOM_UTF8)
    cards = [participant(i) for i in range(200)]
    filled = filled_moodle(data, *cards)
    back = {row[0].split()[-1]: row[4] for row in parsed(filled.data)[1:]}
    assert back == {c.platform_id: grades.number(c.points, comma) for c in cards}
    assert filled.remarks == ()
    assert any("," in points for points in back.values()) == comma
    assert put_back(filled.data, data) == data


@pytest.mark.parametrize("maximum", ["60.00", "250,00"])
def test_moodles_other_maximum_is_told(maximum: str):
    (told,) = filled_moodle(table([MOODLE, moodle_row(0, **{"Maximum grade": maximum})]), participant(0)).remarks
    assert told.startswith(f"Moodle counts this out of {maximum} points, the grading out of 100: change one of them.")


def test_moodles_comment_is_a_summary_and_never_replaces_the_teachers():
    data = table([MOODLE, moodle_row(0), moodle_row(1, **{"Feedback comments": "<p>Mine.</p>"})])
    back = parsed(filled_moodle(data, participant(0), participant(1)).data)
    assert back[1][-1] == "<p>0 of 100. Q1 Convolution 0/100</p>"
    assert back[2][-1] == "<p>Mine.</p>"


def test_a_number_whose_name_is_another_is_not_believed():
    rows = [MOODLE, moodle_row(0, **{"Full name": "Someone Else"})]
    filled = filled_moodle(table(rows), participant(0, name="Team Five"))
    assert (filled.written, filled.unmatched) == ((), ("p0",))


def test_every_member_of_a_moodle_team_gets_the_teams_points():
    headings = [*MOODLE[:4], "Group", *MOODLE[4:]]
    rows = [[*row[:4], "Team 5", *row[4:]] for row in (moodle_row(0), moodle_row(1))]
    filled = filled_moodle(table([headings, *rows]), participant(3, name="Team 5", platform_id="501"))
    assert [row[5] for row in parsed(filled.data)[1:]] == ["5.25", "5.25"]


def test_blind_marking_goes_by_the_number():
    keep = [i for i, h in enumerate(MOODLE) if h not in ("Full name", "Email address")]
    rows = [[row[i] for i in keep] for row in (MOODLE, moodle_row(2))]
    filled = filled_moodle(table(rows), participant(2, name="Participant"))
    assert len(filled.written) == 1


def test_headings_in_another_language_are_asked_for():
    data = table([[h.replace("Grade", "Bewertung") for h in MOODLE], moodle_row(1)])
    with pytest.raises(UsageError, match=r"no column 'Grade'; it has: .*Bewertung.*--column"):
        filled_moodle(data, participant(1))
    filled = filled_moodle(data, participant(1), column="Bewertung")
    assert parsed(filled.data)[1][4] == "1.75"


def test_a_worksheet_with_no_english_heading_finds_its_people():
    german = [
        "ID",
        "Vollständiger Name",
        "E-Mail-Adresse",
        "Status",
        "Bewertung",
        "Bestwertung",
        "Bewertung veränderbar",
    ]
    german += ["Zuletzt geändert (Abgabe)", "Zuletzt geändert (Bewertung)", "Feedback als Kommentar"]
    rows = [[row[0].replace("Participant ", "Teilnehmer/in"), *row[1:]] for row in (moodle_row(1), moodle_row(2))]
    filled = filled_moodle(table([german, *rows]), participant(1), participant(2, name="Team 5"), column="Bewertung")
    assert [row[4] for row in parsed(filled.data)[1:]] == ["1.75", ""]
    assert filled.unmatched == ("p2",)


def moodle_takes(path: str) -> tuple[int, str, str] | None:
    """The rule of mod/assign/feedback/file/importziplib.php: (participant, plugin, file name) of a path in the zip."""
    parts = path.split("/")
    if parts[-1].startswith((".", "~")):
        return None
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) >= 4 and re.fullmatch(r"\d+", info[1]):
            rest = [info[4] if len(info) > 4 else "", *parts]
            return int(info[1]), f"{info[2]}_{info[3]}", "/".join(rest).lstrip("/")
    return None


def test_moodle_finds_the_participant_of_every_feedback_page():
    rows = [MOODLE, *(moodle_row(i, **{"Full name": f"{NAMES[i]}_{i}/.."}) for i in range(len(NAMES)))]
    cards = [participant(i, name="") for i in range(len(NAMES))]
    data, count = outgoing.feedback(Sheet(table(rows)), book(*cards), Choices())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert "Q1 Convolution" in archive.read(names[0]).decode()
    assert [moodle_takes(n) for n in names] == [(500 + i, "assignfeedback_file", "report.html") for i in range(count)]
    assert not any(".." in n.split("/") or n.startswith("/") for n in names)


def test_feedback_waits_for_pending_points():
    data = table([MOODLE, moodle_row(0), moodle_row(1)])
    cards = (participant(0, pending=True), participant(1))
    assert outgoing.feedback(Sheet(data), book(*cards), Choices())[1] == 1
    assert outgoing.feedback(Sheet(data), book(*cards), Choices(include_pending=True))[1] == 2


# ----------------------------------------------------------------------------------------------------------- the others


def test_gradescopes_sheet_is_filled_by_sid_or_address():
    rows = [["First Name", "SID", "Email", "Total Score", "Max Points"], ["A", "s1", "", "", "89.0"]]
    rows += [["B", "", "S2", "9", "89.0"], ["C", "s9", "c@x", "", "89.0"]]
    filled = outgoing.PLATFORMS["gradescope"].fill(Sheet(table(rows)), book(card(1), card(2), card(3)), Choices())  # type: ignore[misc]
    assert [row[3] for row in parsed(filled.data)[1:]] == ["1.75", "3.5", ""]
    assert filled.unmatched == ("s3",)
    assert filled.remarks == ("Gradescope counts this out of 89.0 points, the grading out of 100: change one of them.",)


@pytest.mark.parametrize(
    ("platform", "who", "points"),
    [("csv", "student_id", "points"), ("otter", "file", "total_points_earned"), ("nbgrader", "student_id", "score")],
)
def test_tables_of_our_own_read_back_as_the_scorecards(platform: str, who: str, points: str):
    cards = [card(i, student_id=name(i).replace("\n", " ").replace("\r", "")) for i in range(200)]
    filled = outgoing.export(platform, book(*cards, card(900, pending=True)), None, Choices())
    head, *rows = parsed(filled.data)
    back = {row[head.index(who)].removeprefix("'"): row[head.index(points)] for row in rows}
    assert {c.student_id.removeprefix("'"): grades.number(c.points) for c in cards}.items() <= back.items()
    assert (back["s900"], filled.pending) == ("", ("s900",))
    assert all(len(row) == len(head) for row in rows)


def test_no_cell_of_our_own_tables_is_a_formula():
    cards = [card(i, student_id=name(i)) for i in range(len(NAMES))]
    for platform in ("csv", "otter", "nbgrader"):
        rows = parsed(outgoing.export(platform, book(*cards), None, Choices()).data)
        assert not [c for row in rows for c in row if c.startswith(grades.FORMULA) and c != "--"]


def test_the_first_row_of_otters_table_is_as_otter_writes_it():
    rows = parsed(outgoing.export("otter", book(card(0)), None, Choices()).data)
    assert (rows[1][0], rows[1][-1], rows[2][-1]) == ("points-per-question", "--", "Completed")


# --------------------------------------------------------------------------------------------------------- the command


def command(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.application(), [*map(str, arguments)], catch_exceptions=True)
    return result.exit_code or (2 if result.exception else 0), f"{result.output}{result.exception or ''}"


def test_the_command_reads_the_scorecards_and_writes_the_sheet(tmp_path: Path):
    for c in (card(0, platform_id="9000"), card(1, pending=True, platform_id="9001")):
        report.write_scorecard(c, tmp_path / "out")
    sheet = tmp_path / "gradebook.csv"
    sheet.write_bytes(table(canvas_rows(2)))
    code, said = command(
        "export", "canvas", tmp_path / "out", "--sheet", sheet, "--column", "7001", "-o", tmp_path / "f.csv"
    )
    assert (code, parsed((tmp_path / "f.csv").read_bytes())[2][5]) == (0, "0")
    assert "grades written: 1" in said
    assert "1 left alone, because points are pending (s1)" in " ".join(said.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["canvas"], "--sheet"),
        (["blackboard"], "wanted one of gradescope, moodle, nbgrader, canvas, otter, csv"),
        (["canvas", "--sheet", "nowhere.csv"], "nowhere.csv cannot be opened"),
        (["csv", "--feedback", "f.zip"], "use it with moodle"),
        (["csv", "--sheet", "theirs.csv"], "leave --sheet out"),
        (["gradescope", "--sheet", sys.executable], "is no text: give the CSV"),
        (["canvas", "--upload", "--url", "canvas.example.edu"], "it begins with https://"),
    ],
)
def test_what_cannot_be_exported_is_explained(tmp_path: Path, arguments: list[str], message: str):
    report.write_scorecard(card(0), tmp_path / "out")
    code, said = command("export", arguments[0], tmp_path / "out", *arguments[1:], "-o", tmp_path / "f.csv")
    assert code
    assert message in said
    assert not (tmp_path / "f.csv").exists()


def test_a_persons_mark_makes_points_final(tmp_path: Path):
    """The store is asked, not the files that were written before somebody marked."""
    waiting = card(1, pending=True, platform="canvas", platform_id="9001")
    run = Run("cnn-cifar10", "a", "r", "0.1.0", "3.11", "2.6", "cpu", 0, "quick", "", 0, "b1", {"title": "CNN"})
    with Store(tmp_path, write=True) as store:
        store.add_scorecard(store.begin(run, []), waiting, "b1")
        assert filled_canvas(table(canvas_rows(2)), *grades.gradebook(tmp_path).scorecards).pending == ("s1",)
        mark = Mark(points=4, who="lin", at="2026-01-02T03:04:05+00:00")
        store.add_mark(waiting, "q1_conv2d", "mark", mark)
    filled = filled_canvas(table(canvas_rows(2)), *grades.gradebook(tmp_path).scorecards)
    assert [row[5] for row in parsed(filled.data)[2:4]] == ["", "5.75"]


def test_a_folder_without_scorecards_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no scorecards"):
        grades.gradebook(tmp_path)


# ------------------------------------------------------------------------------------------------------ nothing hidden

CANARY = "canary4711"


def secretive(i: int = 0) -> Scorecard:
    """A student whose hidden checks tell all that they must not."""
    hidden = gradebooks.check(
        Verdict.FAILED, f"title {CANARY}", 5, visibility=Visibility.HIDDEN, id=f"test_{CANARY}",
        message=f"found {CANARY}", detail=f"line {CANARY}",
    )  # fmt: skip
    passed = hidden.model_copy(update={"verdict": Verdict.PASSED, "points": 5.0, "id": f"test_{CANARY}_2"})
    question = QuestionResult(
        id="q1_conv2d", title="Q1 Convolution", checks=(gradebooks.check(Verdict.PASSED), hidden, passed)
    )
    changes = {"questions": (question,), "output": f"saw {CANARY}", "flags": (CANARY,), "platform_id": str(500 + i)}
    return card(i).model_copy(update=changes)


def test_no_output_for_students_holds_anything_of_a_hidden_check():
    one = secretive()
    sheet = Sheet(table([MOODLE, moodle_row(0)]))
    pages, count = outgoing.feedback(sheet, book(one), Choices())
    with zipfile.ZipFile(io.BytesIO(pages)) as archive:
        seen = [archive.read(n).decode() for n in archive.namelist()]
    seen.append(filled_moodle(sheet.data, one).data.decode())
    seen += [outgoing.export(p, book(one), None, Choices()).data.decode() for p in ("csv", "otter", "nbgrader")]
    assert count == 1
    assert CANARY in report.student_page(one), "the canary sings where nothing is folded"
    assert not [text for text in seen if CANARY in text]
    assert "Hidden checks: 1 of 2 passed" in seen[0]
