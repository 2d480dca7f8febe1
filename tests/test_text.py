"""Text that others wrote is shown without codes, without anything invisible, and within its room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.text import HIDDEN, brief, clip, plain


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("10%\r100%\r\ndone", "10%\n100%\ndone"),
        ("a\u202eb", "a[U+202E]b"),
        ("nul\x00 tab\t", "nul[U+0000] tab\t"),
        ("tag\U000e0041", "tag[U+E0041]"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_codes_go_and_what_cannot_be_seen_gets_a_name(written: str, shown: str) -> None:
    assert plain(written) == shown


@given(st.text())
def test_nothing_hidden_is_left(written: str) -> None:
    assert not HIDDEN.search(plain(written))


def test_a_brief_text_is_one_line() -> None:
    assert brief("a\n b\tc", 9) == "a b c"
    assert brief("abcdef", 4) == "abc…"


def test_text_that_fits_is_left_alone() -> None:
    assert clip("abc", 3) == "abc"


def test_nothing_is_left_out_that_is_shorter_than_saying_so() -> None:
    assert clip("abcd", 3, "<gap>") == "abcd"


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    assert clip("a" * 50 + "middle" + "z" * 50, 30, "<{count}>") == "a" * 20 + "\n<76>\n" + "z" * 10


@given(st.text(alphabet="<&\"'é字😀a", min_size=1, max_size=300), st.integers(0, 400))
def test_the_limit_counts_bytes_as_they_are_in_the_page(written: str, limit: int) -> None:
    from markupsafe import escape

    shown = clip(written, limit, "")
    assert len(str(escape(shown)).encode()) <= limit + len("\n\n")
