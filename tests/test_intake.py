"""Intake: whose file is whose, and every hostile input met with a sentence."""

from __future__ import annotations

import os
import stat
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grader import intake
from grader.errors import UsageError
from grader.intake import CAPS, collect, take
from grader.intake.folders import read_file
from grader.lateness import dates
from grader.lms import roster
from grader.model import Submission

CODE = b"relu = None\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def write(root: Path, *names: str, data: bytes = CODE) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def make_zip(path: Path, *names: str | zipfile.ZipInfo, data: bytes = CODE) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are part of the tests
        for name in names:
            archive.writestr(name, data, compress_type=zipfile.ZIP_DEFLATED)
    return path


def ids(path: Path) -> list[str]:
    return [s.student_id for s in collect(path)]


def names(submission: Submission) -> list[str]:
    return [f.name for f in submission.files]


def notes_of(path: Path, student: str) -> tuple[str, ...]:
    return next(s.notes for s in collect(path) if s.student_id == student)


def refused(path: Path, *phrases: str) -> None:
    with pytest.raises(UsageError) as caught:
        collect(path)
    for phrase in phrases:
        assert phrase in str(caught.value)


# ------------------------------------------------------------------------------------------------- whose is what


def test_a_single_file_is_named_by_its_stem(tmp_path: Path) -> None:
    (submission,) = collect(write(tmp_path, "B123.ipynb") / "B123.ipynb")
    assert (submission.student_id, names(submission), submission.problem) == ("B123", ["B123.ipynb"], "")
    assert submission.files[0].data == CODE


def test_a_file_called_submission_is_named_by_its_folder(tmp_path: Path) -> None:
    assert ids(write(tmp_path, "alice/submission.py") / "alice/submission.py") == ["alice"]


def test_files_in_a_folder_are_a_student_each(tmp_path: Path) -> None:
    assert ids(write(tmp_path, "bob.py", "alice.ipynb", "notes.txt")) == ["alice", "bob"]
    assert take(tmp_path).skipped == ("notes.txt",)


@pytest.mark.parametrize("name", ["submission.py", "submission.ipynb", "q1_conv2d.py", "Q6.ipynb", "q7-net.py"])
def test_a_folder_with_a_submission_or_question_file_is_one_students(tmp_path: Path, name: str) -> None:
    (submission,) = collect(write(tmp_path / "alice", name, "helper.py", "lib/net.py"))
    assert submission.student_id == "alice"
    assert sorted(names(submission)) == sorted([name, "helper.py", "lib/net.py"])


def test_a_student_number_that_begins_with_q_is_no_question(tmp_path: Path) -> None:
    assert ids(write(tmp_path, "q36094123.py", "q36094124.py")) == ["q36094123", "q36094124"]


def test_sub_folders_are_a_student_each_and_bring_their_modules(tmp_path: Path) -> None:
    alice, bob = collect(write(tmp_path, "bob/hw.py", "bob/net.py", "alice/submission.ipynb"))
    assert (names(alice), names(bob)) == (["submission.ipynb"], ["hw.py", "net.py"])


def test_a_folder_inside_a_folder_is_taken_off(tmp_path: Path) -> None:
    alice, bob = collect(write(tmp_path, "alice/hw5/final/submission.py", "bob/src/submission.py", "bob/src/lib/a.py"))
    assert names(alice) == ["submission.py"]
    assert names(bob) == ["lib/a.py", "submission.py"]


def test_one_student_deep_in_wrappers_keeps_the_first_name(tmp_path: Path) -> None:
    (submission,) = collect(write(tmp_path, "alice/hw5/submission.py"))
    assert (submission.student_id, names(submission)) == ("alice", ["submission.py"])


@pytest.mark.parametrize("wrapper", ["class", "submissions"])
def test_a_zip_of_a_wrapped_folder_is_unwrapped(tmp_path: Path, wrapper: str) -> None:
    assert ids(make_zip(tmp_path / "class.zip", f"{wrapper}/alice.py", f"{wrapper}/bob.py")) == ["alice", "bob"]
    inner = make_zip(tmp_path / "week8.zip", "hand-in/alice/submission.py", "hand-in/bob/submission.py")
    assert ids(inner) == ["alice", "bob"]


def test_a_zip_of_one_students_files_is_named_by_the_zip(tmp_path: Path) -> None:
    assert ids(make_zip(tmp_path / "carol.zip", "submission.py", "net.py")) == ["carol"]


def test_a_zip_gives_the_same_as_its_folder(tmp_path: Path) -> None:
    files = ["alice/submission.py", "bob/hw.ipynb", "bob/lib/net.py"]
    folder = collect(write(tmp_path / "class", *files))
    assert folder == collect(make_zip(tmp_path / "class.zip", *reversed(files)))


def test_debris_is_left_out_without_a_word(tmp_path: Path) -> None:
    debris = ["__MACOSX/a/._submission.py", "a/.DS_Store", "a/.ipynb_checkpoints/x.ipynb", "a/__pycache__/m.py"]
    (submission,) = collect(write(tmp_path, "a/submission.py", "a/expect.toml", *debris))
    assert names(submission) == ["submission.py"]
    assert not any(s.notes for s in collect(tmp_path))


@pytest.mark.parametrize("name", ["conftest.py", "pytest.ini", "sitecustomize.py", "usercustomize.py", "x.pth"])
def test_files_that_steer_python_or_pytest_are_never_passed_on(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a/submission.py", f"a/{name}", f"a/sub/{name}")
    (submission,) = collect(tmp_path)
    assert names(submission) == ["submission.py"]
    assert any(note.startswith(name) for note in notes_of(tmp_path, "a"))


def test_the_order_is_by_id_whatever_the_files_order(tmp_path: Path) -> None:
    order = ["c.py", "a.py", "b.py"]
    assert ids(make_zip(tmp_path / "x.zip", *order)) == ids(write(tmp_path / "x", *order)) == ["a", "b", "c"]


# ------------------------------------------------------------------------------------ faults of the whole input


def test_a_missing_path_says_what_is_wanted(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "cannot be opened", "wanted a .py or .ipynb file")
    refused(Path("a\0b"), "cannot be opened")


def test_another_kind_of_file_says_what_is_wanted(tmp_path: Path) -> None:
    refused(write(tmp_path, "report.pdf") / "report.pdf", "report.pdf is not a submission", "wanted a .py")


def test_nothing_found_says_what_was_there(tmp_path: Path) -> None:
    refused(tmp_path, "no submissions", "found nothing", "wanted a .py")
    refused(write(tmp_path, "report.pdf"), "found only report.pdf")


@pytest.mark.parametrize(
    "data", [b"", b"not a zip", b"PK\5\6" + b"\0" * 10, b"PK\5\6" + b"\0" * 8 + b"\1\0\xff\0\0\0\0\0\0\0\0\0"]
)
def test_an_unreadable_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    refused(write(tmp_path, "x.zip", data=data) / "x.zip", "x.zip", "make it again")


def test_every_truncation_of_a_zip_is_refused_or_read(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "x.zip", "alice.py", "bob.py").read_bytes()
    for length in range(len(whole)):
        refused(write(tmp_path, "cut.zip", data=whole[:length]) / "cut.zip", "cut.zip")


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/etc/evil.py", "C:/evil.py", "..\\evil.py", "\\x.py"]
)
def test_a_zip_that_would_write_outside_is_refused(tmp_path: Path, name: str) -> None:
    refused(make_zip(tmp_path / "x.zip", "alice.py", name), "would write outside its folder")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "alice.py")
    data = path.read_bytes()
    at = data.index(b"PK\1\2") + 8
    path.write_bytes(data[:at] + b"\1" + data[at + 1 :])
    refused(path, "encrypted", "without a password")


def test_a_zip_of_too_many_members_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", *(f"s{i}.py" for i in range(30)))
    with pytest.raises(UsageError, match="holds 30 files; the limit is 20"):
        take(path, replace(CAPS, entries=20))
    with pytest.raises(UsageError, match="lists too many files"):
        take(path, replace(CAPS, directory_bytes=100))


@pytest.mark.slow
def test_a_zip_of_a_hundred_thousand_members_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", *(f"{i}.py" for i in range(70_000)), data=b"")
    refused(path, "lists too many files")


@pytest.mark.parametrize("pair", [("alice.py", "alice.ipynb"), ("Alice.py", "alice.py"), ("alice/a.py", "alice.py")])
def test_two_students_with_one_id_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    refused(make_zip(tmp_path / "x.zip", *pair), "two submissions have the id", "Rename")


def test_names_that_become_one_when_made_safe_are_refused(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "x.zip", "a?b.py", "a*b.py"), "two submissions have the id a_b")


def test_more_bytes_than_memory_holds_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.py", data=b"#" * 600)
    with pytest.raises(UsageError, match="grade them in parts"):
        take(tmp_path, replace(CAPS, total_bytes=1000))


@posix
def test_a_pipe_as_input_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.py")
    refused(tmp_path / "x.py", "neither a file nor a folder")


# ------------------------------------------------------------------------------------- faults of one submission


def problem(path: Path, student_id: str, caps: intake.Caps = CAPS) -> str:
    """The problem of one student; all others must be without one."""
    submissions = {s.student_id: s for s in take(path, caps).submissions}
    bad = submissions.pop(student_id)
    assert bad.files == ()
    assert submissions
    assert all(s.files and not s.problem for s in submissions.values())
    return bad.problem


@posix
@pytest.mark.parametrize("target", ["/etc/passwd", "../good/submission.py", "nowhere"])
def test_a_link_is_never_followed(tmp_path: Path, target: str) -> None:
    write(tmp_path, "good/submission.py")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/submission.py").symlink_to(target)
    assert problem(tmp_path, "bad") == "submission.py is a link, not a plain file: hand in the file itself."


@posix
def test_a_link_to_a_folder_is_never_entered(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py", "bad/submission.py")
    (tmp_path / "bad/more").symlink_to(tmp_path / "good")
    (tmp_path / "worse").symlink_to(tmp_path / "good")
    assert [names(s) for s in collect(tmp_path)] == [["submission.py"], ["submission.py"]]
    assert "more: skipped, because it is a link." in notes_of(tmp_path, "bad")
    assert take(tmp_path).skipped == ("worse",)


@posix
def test_a_file_swapped_for_a_link_after_the_look_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "submission.py").symlink_to("/etc/passwd")
    with pytest.raises(intake.Unreadable, match="cannot be read"):
        read_file(tmp_path / "submission.py", CAPS)


@posix
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py", "bad/x.txt")
    os.mkfifo(tmp_path / "bad/submission.py")
    assert "is a device or pipe" in problem(tmp_path, "bad")


@pytest.mark.parametrize(
    ("mode", "word"), [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFIFO, "a device")]
)
def test_links_and_devices_in_a_zip_are_not_files(tmp_path: Path, mode: int, word: str) -> None:
    member = zipfile.ZipInfo("bad/submission.py")
    member.external_attr = (mode | 0o777) << 16
    path = make_zip(tmp_path / "x.zip", "good/submission.py", member, data=b"/etc/passwd")
    assert f"submission.py is {word}" in problem(path, "bad")


def test_a_large_notebook_says_its_size_the_limit_and_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, "good.py")
    with (tmp_path / "bad.ipynb").open("wb") as file:
        file.truncate(120_000_000)
    sentence = "bad.ipynb is 120 MB; the limit is 80 MB: clear the outputs and hand it in again."
    assert problem(tmp_path, "bad") == sentence


def test_a_notebook_of_sixty_megabytes_of_plots_is_within_the_limit(tmp_path: Path) -> None:
    assert CAPS.notebook_bytes > 60_000_000


def test_a_large_module_says_so(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py", "bad/submission.py")
    write(tmp_path, "bad/data.py", data=b"#" * 2_100_000)
    assert "data.py is 2.1 MB; the limit is 2.0 MB: keep only the code" in problem(tmp_path, "bad")


def test_a_zip_bomb_is_not_unfolded(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "bad.ipynb", data=b"\0" * 50_000_000)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("good.py", CODE)
    assert "unfolds to more than 100 times" in problem(path, "bad")


def test_a_zip_that_lies_about_a_size_is_not_believed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "good.py", "bad.py", data=b"#" * 3_000)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    assert "bad.py is damaged inside the zip" in problem(path, "bad")


def test_a_damaged_member_costs_only_its_owner(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "bad.py", "good.py", data=os.urandom(300))
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert "bad.py is damaged inside the zip" in problem(path, "bad")


def test_a_students_own_zip_is_opened_one_level_deep(tmp_path: Path) -> None:
    own = make_zip(tmp_path / "hw.zip", "hw/main.py", "hw/layers.py", "__MACOSX/hw/._main.py").read_bytes()
    deeper = make_zip(tmp_path / "deeper.zip", "hw.zip", data=own).read_bytes()
    path = make_zip(tmp_path / "x.zip", "good/hw.zip", data=own)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bad/hw.zip", deeper)
    assert [names(s) for s in collect(path) if s.student_id == "good"] == [["layers.py", "main.py"]]
    assert "hw.zip was not opened: only a .zip is, and none inside another" in problem(path, "bad")


def test_a_zip_beside_code_or_of_another_kind_is_not_opened_and_said(tmp_path: Path) -> None:
    both = make_zip(tmp_path / "x.zip", "a/submission.py", "a/old.zip", "b/hw.rar")
    assert names(collect(both)[0]) == ["submission.py"]
    assert notes_of(both, "a")[0].startswith("old.zip: not opened: only a .zip that holds all of the code is")
    assert "hw.rar was not opened" in problem(both, "b")


@pytest.mark.parametrize(
    ("inside", "data", "message"),
    [
        ("bomb.ipynb", b"\0" * 50_000_000, "unfolds to more than 100 times"),
        ("../../up.py", CODE, "which would write outside its folder"),
        ("", b"PK no zip", "hw.zip is not a zip, or is cut short"),
    ],
)
def test_a_students_own_zip_is_trusted_no_more_than_the_export(
    tmp_path: Path, inside: str, data: bytes, message: str
) -> None:
    own = make_zip(tmp_path / "hw.zip", inside, data=data).read_bytes() if inside else data
    path = make_zip(tmp_path / "x.zip", "bad/hw.zip", data=own)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("good/submission.py", CODE)
    assert message in problem(path, "bad")


def test_a_student_without_code_is_not_lost(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py", "bad/report.pdf")
    assert problem(tmp_path, "bad").startswith("report.pdf was handed in, but no .py or .ipynb file")


def test_an_empty_folder_is_a_student_too(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py")
    (tmp_path / "bad").mkdir()
    assert problem(tmp_path, "bad").startswith("nothing was handed in")


def test_a_checkpoint_is_skipped_and_said(tmp_path: Path) -> None:
    write(tmp_path, "a/submission.py", "a/lenet.pt", "a/best.pth")
    (submission,) = collect(tmp_path)
    assert names(submission) == ["submission.py"]
    assert any("lenet.pt" in n and "best.pth" in n and "checkpoints" in n for n in notes_of(tmp_path, "a"))


def test_thousands_of_files_are_met_with_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, "good/submission.py", "bad/submission.py", *(f"bad/data/{i}.txt" for i in range(60)))
    caps = replace(CAPS, student_files=50)
    assert "more than 50 files were handed in" in problem(tmp_path, "bad", caps)


def test_too_many_modules_are_met_with_a_sentence(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "good/submission.py", *(f"bad/m{i}.py" for i in range(101)))
    assert "101 .py and .ipynb files were handed in; the limit is 100" in problem(path, "bad")


def test_an_environment_handed_in_by_mistake_is_not_walked(tmp_path: Path) -> None:
    write(tmp_path, "a/submission.py", "a/venv/lib/x.py", "a/node_modules/y.py")
    (submission,) = collect(tmp_path)
    assert names(submission) == ["submission.py"]


def test_files_that_differ_only_in_case_are_met_with_a_sentence(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "good/a.py", "bad/Net.py", "bad/net.py")
    assert problem(path, "bad") == "the files Net.py and net.py have one name: hand in one of them."


def test_one_member_twice_is_met_with_a_sentence(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "good/a.py", "bad/net.py", "bad/net.py")
    assert "have one name" in problem(path, "bad")


# -------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("王小明 B123", "王小明 B123"),
        ("a/b\\c:d", "a_b_c_d"),
        ("\x1b[31mred\n", "_[31mred_"),
        ("\u202eevil", "_evil"),
        ("\udcff", "_"),
        ("CON", "_CON"),
        ("com1.tar", "_com1.tar"),
        (" .. ", "unnamed"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("=SUM(A1)", "=SUM(A1)"),
    ],
)
def test_a_name_is_made_safe(raw: str, wanted: str) -> None:
    assert intake.safe(raw) == wanted


def test_long_names_are_cut_but_stay_different() -> None:
    one, other = intake.safe("x" * 300 + "1.py"), intake.safe("x" * 300 + "2.py")
    assert len(one) == len(other) == CAPS.id_characters
    assert one != other
    assert one.endswith(".py")


@posix
def test_an_id_with_a_newline_is_made_safe_and_shown(tmp_path: Path) -> None:
    (submission,) = collect(write(tmp_path, "e\nvil/submission.py"))
    assert submission.student_id == "e_vil"
    assert notes_of(tmp_path, "e_vil") == ("the name 'e\\nvil' was made safe: e_vil.",)


@pytest.mark.parametrize("encoding", ["utf-8", "cp950"])
def test_names_in_a_zip_from_an_old_windows_are_read(tmp_path: Path, encoding: str) -> None:
    raw = "王小明".encode(encoding)
    path = make_zip(tmp_path / "x.zip", "x" * len(raw) + "/submission.py")
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert ids(path) == ["王小明"]


def test_no_message_carries_a_terminals_commands(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", "\x1b]0;evil\x07.txt", "good/a.py", "bad/\x1b[2J.pdf")
    everything = repr([s.notes for s in collect(path)]) + problem(path, "bad") + "".join(take(path).skipped)
    assert "\x1b" not in everything


# -------------------------------------------------------------------------------------- what students hand in too much


def test_a_submission_of_a_hundred_megabytes_is_met_with_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, "ada/submission.ipynb")
    with (tmp_path / "ada" / "submission.ipynb").open("wb") as file:
        file.truncate(100 * intake.MB)  # sparse: takes no room on the disk
    problem = intake.collect(tmp_path)[0].problem
    assert problem == ("submission.ipynb is 100 MB; the limit is 80 MB: clear the outputs and hand it in again.")


def test_code_beside_a_checkpoint_of_a_hundred_megabytes_is_taken_without_it(tmp_path: Path) -> None:
    write(tmp_path, "ada/submission.py")
    with (tmp_path / "ada" / "net.pth").open("wb") as file:
        file.truncate(100 * intake.MB)
    submission = intake.collect(tmp_path)[0]
    assert (submission.problem, [f.name for f in submission.files]) == ("", ["submission.py"])
    assert submission.notes == (
        "net.pth: skipped: checkpoints and data are not loaded, a network is graded as it is built.",
    )


@pytest.mark.parametrize(("read", "heading"), [(roster.read, "id,name"), (dates.extensions, "student,hours")])
def test_a_list_whose_letters_cannot_be_told_is_refused(
    read: Callable[[Path], object], heading: str, tmp_path: Path
) -> None:
    of_excel = tmp_path / "list.csv"
    of_excel.write_bytes(f"{heading}\r\nM\xfcller,7\r\n".encode("cp1252"))
    with pytest.raises(UsageError, match=r"list\.csv, line 2, is not UTF-8.*as CSV UTF-8"):
        read(of_excel)
    of_excel.write_bytes(f"{heading}\r\nM\xfcller,7\r\n".encode("utf-8-sig"))
    assert read(of_excel)


@pytest.mark.slow
def test_ten_thousand_files_are_met_with_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, "ada/submission.py")
    images = tmp_path / "ada" / "data"
    images.mkdir()
    for i in range(10_000):
        (images / f"{i}.png").touch()
    problem = intake.collect(tmp_path)[0].problem
    assert problem == "more than 2,000 files were handed in: hand in only your .py and .ipynb files."
