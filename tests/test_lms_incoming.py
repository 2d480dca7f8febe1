"""Exports of the platforms: whose each file is, whatever the names hold."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.lms import PLATFORMS, canvas, gradescope, incoming, nbgrader
from grader.lms.incoming import Taken
from grader.model import Submission

CODE = "def relu(x):\n    return x\n"


def zipped(folder: Path, *names: str, called: str = "export.zip", **texts: str) -> Path:
    """A zip of files with some code, or with the text given."""
    path = folder / called
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, texts.get(name, CODE))
        for name in texts.keys() - set(names):
            archive.writestr(name, texts[name])
    return path


def tree(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def files(submission: Submission) -> list[str]:
    return [f.name for f in submission.files]


def by_id(taken: Taken) -> dict[str, Submission]:
    return {s.student_id: s for s in taken.submissions}


# ------------------------------------------------------------------------------------------------------------- Canvas


@pytest.mark.parametrize(
    ("name", "person", "late", "user", "file"),
    [
        ("doejane_123_4567_hw.ipynb", "doejane", False, "123", "hw.ipynb"),
        ("doejane_LATE_123_4567_hw.ipynb", "doejane", True, "123", "hw.ipynb"),
        ("doejane_123_4567_hw_3_final_2.py", "doejane", False, "123", "hw_3_final_2.py"),
        ("doejane_123_4567_12_34_x.py", "doejane", False, "123", "12_34_x.py"),
        ("maria_del_mar_123_4567_hw.py", "maria_del_mar", False, "123", "hw.py"),
        ("team_7_LATE_123_4567_hw.py", "team_7", True, "123", "hw.py"),
        ("王小明_123_4567_作業.ipynb", "王小明", False, "123", "作業.ipynb"),
        ("_123_4567_hw.py", "", False, "123", "hw.py"),
        ("late_123_4567_hw.py", "late", False, "123", "hw.py"),
        ("anon_qd7Xz_4567_hw.py", "", False, "anon_qd7Xz", "hw.py"),
        ("LATE_anon_qd7Xz_4567_hw.py", "", True, "anon_qd7Xz", "hw.py"),
        ("anon_123_4567_hw.py", "anon", False, "123", "hw.py"),
        ("doejane_123_text.html", "doejane", False, "123", "text.html"),
        ("doejane_LATE_123_link.html", "doejane", True, "123", "link.html"),
        ("LATE_anon_qd7Xz_text.html", "", True, "anon_qd7Xz", "text.html"),
    ],
)
def test_canvas_names_are_taken_apart(name: str, person: str, late: bool, user: str, file: str):
    assert canvas.parse(name) == canvas.Name(person, late, user, file)


@pytest.mark.parametrize("name", ["ada.py", "week_3.py", "hw_2_b.py", "q1_conv2d.py", "anon_x.py", "doe_1.py", "_1_2"])
def test_other_names_are_not_canvas(name: str):
    assert canvas.parse(name) is None


def test_a_canvas_zip_is_recognised_and_says_what_it_knows(tmp_path: Path):
    path = zipped(
        tmp_path,
        "doejane_123_4567_hw-2.ipynb",
        "roebob_LATE_124_4568_main.py",
        "roebob_LATE_124_4569_layers-1.py",
        "poesue_125_text.html",
        "__MACOSX/._doejane_123_4567_hw-2.ipynb",
        "readme.txt",
    )
    taken = incoming.take(path)
    assert taken.platform.name == "canvas"
    jane, bob, sue = (by_id(taken)[i] for i in ("doejane_123", "roebob_124", "poesue_125"))
    assert (jane.name, jane.platform, jane.platform_id, jane.late) == ("doejane", "canvas", "123", False)
    assert files(jane) == ["hw.ipynb"]
    assert (files(bob), bob.late) == (["layers.py", "main.py"], True)
    assert "no .py or .ipynb" in sue.problem
    assert taken.skipped == ("readme.txt",)


def test_of_several_attempts_at_one_file_the_last_counts_and_the_others_are_named(tmp_path: Path):
    taken = incoming.take(
        zipped(tmp_path, **{"doe_1_11_hw.py": "1", "doe_1_13_hw-10.py": "3", "doe_1_12_hw-2.py": "2"})
    )
    (doe,) = taken.submissions
    assert [(f.name, f.data) for f in doe.files] == [("hw.py", b"3")]
    assert doe.notes == ("3 attempts were handed in: hw-10.py counts, being the last; not graded: hw.py, hw-2.py.",)
    assert taken.skipped == ()


@pytest.mark.parametrize(
    "name", ["doe_1_11_hw.zip", "Doe_1_assignsubmission_file/hw.zip", "Doe_1_assignsubmission_file_hw.zip"]
)
def test_a_students_own_zip_in_an_export_is_opened(tmp_path: Path, name: str):
    own = zipped(tmp_path, "hw/main.py", "hw/layers.py", "__MACOSX/hw/._main.py", called="own.zip").read_bytes()
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, own)
        archive.writestr(name.replace("_1_", "_2_"), b"no zip")
    good, bad = incoming.take(path).submissions
    assert (files(good), good.platform_id) == (["layers.py", "main.py"], "1")
    assert "hw.zip is not a zip" in bad.problem


def test_of_several_zips_that_a_student_handed_in_the_last_counts(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for number, name in enumerate(("doe_1_11_hw.zip", "doe_1_12_hw-1.zip")):
            own = zipped(tmp_path, called="own.zip", **{"main.py": f"{number}\n"})
            archive.writestr(name, own.read_bytes())
    (doe,) = incoming.take(tmp_path / "export.zip").submissions
    assert [(f.name, f.data) for f in doe.files] == [("main.py", b"1\n")]
    assert doe.notes[0].startswith("2 attempts were handed in: hw-1.zip counts")


def test_two_students_of_one_name_stay_two(tmp_path: Path):
    taken = incoming.take(zipped(tmp_path, "lee_1_11_hw.py", "lee_2_12_hw.py"))
    assert [(s.student_id, s.name) for s in taken.submissions] == [("lee_1", "lee"), ("lee_2", "lee")]


# ------------------------------------------------------------------------------------------------------------- Moodle


def test_a_moodle_zip_with_folders(tmp_path: Path):
    path = zipped(
        tmp_path,
        "Jane Doe_12345_assignsubmission_file/hw.ipynb",
        "Jane Doe_12345_assignsubmission_file/src/layers.py",
        "Jane Doe_12345_assignsubmission_onlinetext/onlinetext.html",
        "王小明_12346_assignsubmission_file_/hw.py",
        "Mary-Ann O'Neil_12347_assignsubmission_onlinetext/onlinetext.html",
    )
    taken = incoming.take(path)
    jane, ming, mary = (by_id(taken)[i] for i in ("Jane Doe_12345", "王小明_12346", "Mary-Ann O'Neil_12347"))
    assert taken.platform.name == "moodle"
    assert (jane.name, jane.platform_id, files(jane)) == ("Jane Doe", "12345", ["hw.ipynb", "src/layers.py"])
    assert (ming.platform_id, files(ming)) == ("12346", ["hw.py"])
    assert "no .py or .ipynb" in mary.problem


def test_a_moodle_zip_without_folders(tmp_path: Path):
    taken = incoming.take(
        zipped(
            tmp_path,
            "Jane Doe_12345_assignsubmission_file_hw_1_2.ipynb",
            "Jane Doe_12345_assignsubmission_file_layers.py",
            "Bob_12_assignsubmission_file_hw.py",
        )
    )
    assert {s.platform_id: files(s) for s in taken.submissions} == {
        "12345": ["hw_1_2.ipynb", "layers.py"],
        "12": ["hw.py"],
    }


def test_blind_marking_and_teams_of_moodle(tmp_path: Path):
    taken = incoming.take(
        zipped(
            tmp_path,
            "Participant_99_assignsubmission_file/hw.py",
            "Team 5_7_assignsubmission_file/hw.py",
            "Default group_assignsubmission_file/hw.py",
        )
    )
    assert {s.student_id: (s.name, s.platform_id) for s in taken.submissions} == {
        "Participant_99": ("Participant", "99"),
        "Team 5_7": ("Team 5", "7"),
        "Default group": ("Default group", ""),
    }


def test_an_unpacked_export_inside_a_folder_is_found(tmp_path: Path):
    tree(tmp_path, **{"course/hw1/Jane_5_assignsubmission_file/hw.py": CODE})
    taken = incoming.take(tmp_path / "course")
    assert (taken.platform.name, taken.submissions[0].platform_id) == ("moodle", "5")


# --------------------------------------------------------------------------------------------------------- Gradescope

METADATA = """\
---
submission_101:
  :submitters:
  - :name: "Doe, \\"Jane\\" \U0001f642"
    :sid: '0012345678'
    :email: jane@example.edu
  :created_at: 2024-01-31 04:56:30.123456000 Z
  :score: 12.5
  :status: processed
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: []
  :history: []
submission_102:
  :submitters:
  - :name: Ann
    :sid: s2
    :email: a@example.edu
  - :name: Bo
    :sid:
    :email: b@example.edu
  :created_at: 2024-01-31 04:56:30 +0800
submission_103:
  :submitters: []
"""


def test_a_gradescope_export(tmp_path: Path):
    path = zipped(
        tmp_path,
        "assignment_9_export/submission_101/hw.ipynb",
        "assignment_9_export/submission_101/__MACOSX/._hw.ipynb",
        "assignment_9_export/submission_102/hw.py",
        **{"assignment_9_export/submission_metadata.yml": METADATA},
    )
    taken = incoming.take(path)
    jane, pair, nobody = (by_id(taken)[i] for i in ("0012345678", "s2+b@example.edu", "submission_103"))
    assert taken.platform.name == "gradescope"
    assert (jane.name, jane.platform_id, files(jane)) == ('Doe, "Jane" \U0001f642', "101", ["hw.ipynb"])
    assert jane.submitted_at == datetime(2024, 1, 31, 4, 56, 30, tzinfo=UTC)
    assert (pair.members, pair.name) == (("s2", "b@example.edu"), "Ann, Bo")
    assert pair.submitted_at == datetime(2024, 1, 30, 20, 56, 30, tzinfo=UTC)
    assert "nothing was handed in" in nobody.problem
    assert taken.skipped == ()


def test_two_gradescope_submissions_of_one_student_are_both_kept(tmp_path: Path):
    text = "".join(f"submission_{n}:\n  :submitters:\n  - :sid: s1\n" for n in (1, 2))
    path = zipped(tmp_path, "submission_1/a.py", "submission_2/b.py", **{gradescope.METADATA: text})
    assert sorted(by_id(incoming.take(path))) == ["s1", "s1_submission_2"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "a: *b", "? [x]\n: 1\n", "[" * 3000])
def test_metadata_that_is_no_table_is_refused(tmp_path: Path, text: str):
    path = zipped(tmp_path, "submission_1/a.py", **{gradescope.METADATA: text})
    with pytest.raises(UsageError, match=gradescope.METADATA):
        incoming.take(path)


def test_the_metadata_of_a_large_class_is_read(tmp_path: Path):
    filler = f"  :results: {' '.join(map(str, range(400_000)))}\n"  # 2.7 MB
    path = zipped(
        tmp_path, "submission_1/a.py", **{gradescope.METADATA: f"submission_1:\n  :submitters:\n  - :sid: s1\n{filler}"}
    )
    assert [s.student_id for s in incoming.take(path).submissions] == ["s1"]


def test_metadata_constructs_nothing(tmp_path: Path):
    made = tmp_path / "made"
    text = f'submission_1:\n  :submitters: !!python/object/apply:os.mkdir ["{made}"]\n'
    taken = incoming.take(zipped(tmp_path, "submission_1/a.py", **{gradescope.METADATA: text}))
    assert [s.student_id for s in taken.submissions] == ["submission_1"]
    assert not made.exists()


# ------------------------------------------------------------------------------------------------------ other platforms


def test_an_nbgrader_tree(tmp_path: Path):
    tree(
        tmp_path,
        **{
            "submitted/ada/ps1/hw.ipynb": CODE,
            "submitted/ada/ps1/timestamp.txt": "2015-02-02 15:58:23.948203 America/Los_Angeles\n",
            "submitted/bob/ps1/hw.ipynb": CODE,
        },
    )
    taken = incoming.take(tmp_path / "submitted")
    assert (taken.platform.name, [files(s) for s in taken.submissions]) == ("nbgrader", [["hw.ipynb"], ["hw.ipynb"]])
    assert by_id(taken)["ada"].submitted_at == datetime(2015, 2, 2, 23, 58, 23, tzinfo=UTC)
    assert by_id(taken)["bob"].submitted_at is None


@pytest.mark.parametrize("text", ["2024-02-30 10:00:00 UTC", "yesterday", "", "2024-01-01 10:00:00 Mars/Base"])
def test_a_time_that_is_none_is_not_guessed(text: str):
    assert nbgrader.moment(text) is None


def test_an_nbgrader_tree_of_two_assignments_is_refused(tmp_path: Path):
    tree(tmp_path, **{"submitted/ada/ps1/a.py": CODE, "submitted/ada/ps2/a.py": CODE})
    with pytest.raises(UsageError, match="several assignments \\(ps1, ps2\\)"):
        incoming.take(tmp_path / "submitted", "nbgrader")


def test_clones_are_named_by_their_users(tmp_path: Path):
    tree(
        tmp_path,
        **{
            "hw-cnn-submissions/hw-cnn-anna/hw.py": CODE,
            "hw-cnn-submissions/hw-cnn-anton-b/hw.py": CODE,
            "hw-cnn-submissions/hw-cnn-anton-b/.git/config": "[core]",
        },
    )
    taken = incoming.take(tmp_path / "hw-cnn-submissions")
    assert (taken.platform.name, sorted(by_id(taken))) == ("github", ["anna", "anton-b"])


def test_repositories_are_recognised_whatever_their_parent_is_called(tmp_path: Path):
    for user in ("ann", "bob"):
        tree(tmp_path, **{f"clones/lab-{user}/hw.py": CODE, f"clones/lab-{user}/.git/HEAD": "ref: x"})
    assert sorted(by_id(incoming.take(tmp_path / "clones"))) == ["ann", "bob"]


def test_an_otter_folder(tmp_path: Path):
    tree(tmp_path, **{"nb/ada.ipynb": CODE, "nb/bob.ipynb": CODE, "nb/final_grades.csv": "file\n"})
    taken = incoming.take(tmp_path / "nb")
    assert (taken.platform.name, sorted(by_id(taken))) == ("otter", ["ada", "bob"])


def test_anything_else_is_shared_out_by_place(tmp_path: Path):
    tree(tmp_path, **{"class/ada.py": CODE, "class/bob/submission.py": CODE})
    taken = incoming.take(tmp_path / "class")
    assert (taken.platform.name, sorted(by_id(taken))) == ("plain", ["ada", "bob"])


# ------------------------------------------------------------------------------------------------------------ choosing


def test_the_instructor_can_say_whose_export_it_is(tmp_path: Path):
    path = zipped(tmp_path, "week_1_2_a.py", "week_1_3_b.py")
    assert incoming.take(path).platform.name == "canvas"
    assert sorted(by_id(incoming.take(path, "plain"))) == ["week_1_2_a", "week_1_3_b"]


def test_a_wrong_platform_is_refused_with_what_to_do(tmp_path: Path):
    path = zipped(tmp_path, "ada.py", "bob.py")
    with pytest.raises(UsageError, match="nothing that is named as Canvas"):
        incoming.take(path, "canvas")
    with pytest.raises(UsageError, match="no platform 'blackboard': wanted one of gradescope"):
        incoming.take(path, "blackboard")


def test_no_platform_opens_a_zip_that_writes_outside(tmp_path: Path):
    path = zipped(tmp_path, "doe_1_2_a.py", "../doe_1_3_b.py")
    for name in PLATFORMS:
        with pytest.raises(UsageError, match="outside its folder"):
            incoming.take(path, name)


# -------------------------------------------------------------------------------------------------------------- roster


def test_a_class_list_gives_names_and_the_courses_ids(tmp_path: Path):
    path = zipped(tmp_path, "doejane_123_4567_hw.py", "roebob_124_4568_hw.py")
    people = tmp_path / "class.csv"
    people.write_bytes('\ufeffStudent ID;Name;Canvas ID\r\nS-1;"Doe, Jane; Ms";123\r\n'.encode())
    taken = incoming.take(path, people=people)
    assert [(s.student_id, s.name, s.platform_id) for s in taken.submissions] == [
        ("S-1", "Doe, Jane; Ms", "123"),
        ("roebob_124", "roebob", "124"),
    ]
    assert taken.unlisted == ("roebob_124",)


def test_a_github_classroom_list_leads_from_users_to_students(tmp_path: Path):
    for user in ("ann-x", "bob-y"):
        tree(tmp_path, **{f"c/hw-{user}/hw.py": CODE, f"c/hw-{user}/.git/HEAD": "x"})
    people = tmp_path / "classroom_roster.csv"
    people.write_text('"identifier","github_username","github_id","name"\n"s1","Ann-X","5",""\n"s2","","",""\n')
    assert sorted(by_id(incoming.take(tmp_path / "c", people=people))) == ["bob-y", "s1"]


def test_a_list_that_gives_one_id_to_two_is_refused(tmp_path: Path):
    path = zipped(tmp_path, "doe_1_11_hw.py", "roe_2_12_hw.py")
    people = tmp_path / "class.csv"
    people.write_text("student_id,canvas_id\ns1,1\nS1,2\n")
    with pytest.raises(UsageError, match="two submissions"):
        incoming.take(path, people=people)


def test_a_list_without_ids_is_refused(tmp_path: Path):
    people = tmp_path / "class.csv"
    people.write_text("colour,shoe\nred,43\n")
    with pytest.raises(UsageError, match="no column of ids"):
        incoming.take(zipped(tmp_path, "ada.py"), people=people)
