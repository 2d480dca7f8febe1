"""Text that others wrote, made fit to show: no terminal codes, nothing invisible, no longer than there is room for.

It is still plain text afterwards: whoever puts it in a page escapes it.
"""

from __future__ import annotations

import re

from markupsafe import escape

ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system command: a window title, a hyperlink
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequence: a colour, a cursor movement
    r"|\x1b[ -/]*[0-~]"  # the short ones
)
# Controls, soft hyphen, bidirectional overrides and isolates, zero-width spaces, line separators, tags.
# The zero-width joiners stay: emoji and several scripts are written with them.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
MOST_BYTES = 5  # that one character takes in a page, escaped or in UTF-8


def plain(text: str) -> str:
    """The text without terminal codes, and with a visible name such as [U+202E] where a character cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    text = ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def brief(text: str, limit: int) -> str:
    """The beginning of a text in one line of at most `limit` characters."""
    shown = " ".join(plain(text[: 4 * limit]).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def clip(text: str, limit_bytes: int, gap: str = "[... {count} characters left out ...]") -> str:
    """The text in at most `limit_bytes` of HTML, `gap` apart: its beginning (two thirds), `gap`, and its end.

    What is no longer than the gap would be is not left out.
    """
    if len(text) * MOST_BYTES <= limit_bytes or _cost(text) <= limit_bytes + len(gap):
        return text
    head = _fitting(text, limit_bytes * 2 // 3)
    tail = _fitting(text[: head - 1 if head else None : -1], limit_bytes // 3)
    count = len(text) - head - tail
    return f"{text[:head]}\n{gap.format(count=count)}\n{text[len(text) - tail :]}"


def _cost(text: str) -> int:
    """Bytes that the text takes in a page."""
    return len(str(escape(text)).encode("utf-8", "surrogatepass"))


def _fitting(text: str, limit_bytes: int) -> int:
    """How many characters, from the first, fit into the bytes."""
    used = 0
    for count, character in enumerate(text):
        used += _cost(character)
        if used > limit_bytes:
            return count
    return len(text)
