"""A list that a person made in a spreadsheet: a CSV -> its text."""

from __future__ import annotations

from pathlib import Path

from grader.errors import UsageError


def text(path: Path, wanted: str) -> str:
    """The text of a CSV, without a byte-order mark. Raises `UsageError`, also where letters would be guessed at.

    `wanted` says what should be in it. Excel's plain CSV is in the code page of its computer, which no file tells.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise UsageError(f"{path} cannot be opened ({e.strerror}): wanted a CSV with {wanted}.") from e
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        raise UsageError(
            f"{path}, line {line}, is not UTF-8, so its letters cannot be told: "
            f"save it in the spreadsheet as CSV UTF-8, and give that."
        ) from e
