"""Grades and feedback pages sent to Canvas itself, through its API: shown first, and sent once however often asked.

Each student's page goes up as the file of one comment. Its name ends in a tag of what it says, so that a page that is
there already is seen, and neither an interrupted run nor a second one comments twice. The token is read from the
environment, given to canvasapi and to nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from grader.errors import UsageError
from grader.lms import folding, grades, outgoing
from grader.model import Gradebook, Scorecard

TRIES = 5  # after a refusal for speed, waiting 1, 2, 4, 8 seconds
Sleep = Callable[[float], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Where:
    """An assignment in a Canvas."""

    url: str
    course: str
    assignment: str


@dataclass(frozen=True)
class Change:
    """What is to happen for one student: `action` is "grade and comment", "grade", or the reason why nothing is."""

    card: Scorecard
    action: str
    before: str = ""

    @property
    def points(self) -> str:
        """The points as they are sent."""
        return grades.number(self.card.grade)

    @property
    def wanted(self) -> bool:
        """Whether anything is sent."""
        return self.action.startswith("grade")


class Canvas:
    """One assignment of a Canvas. Raises `UsageError` for what the instructor mends."""

    def __init__(self, where: Where, token: str, sleep: Sleep = time.sleep) -> None:
        self._sleep = sleep
        try:
            import canvasapi  # the [lms] extra
        except ImportError as e:
            raise UsageError("sending to Canvas needs canvasapi: pip install 'torchgrader[lms]'.") from e
        self._errors = canvasapi.exceptions
        logging.getLogger("canvasapi").setLevel(logging.WARNING)  # below that it logs the token's last characters
        try:
            self._submissions = self._opened(canvasapi.Canvas(where.url, token), where)
        except (self._errors.CanvasException, OSError, ValueError) as e:  # what is no answer, or not of a Canvas
            why = f"{type(e).__name__}: {e}"
            raise UsageError(f"Canvas gave no answer ({why}): look at --url, or try again later.") from e

    def _opened(self, canvas: Any, where: Where) -> dict[str, Any]:
        """The assignment's submissions with their comments, by user's number, from as many pages as there are."""
        course = self._asked(lambda: canvas.get_course(where.course))
        found = self._asked(lambda: course.get_assignment(where.assignment))
        listed = {"include": ["submission_comments"], "per_page": 100}
        return self._asked(lambda: {str(s.user_id): s for s in found.get_submissions(**listed)})

    def changes(self, book: Gradebook, *, include_pending: bool) -> list[Change]:
        """What would be sent, a line for each scorecard."""
        return [self._change(card, include_pending=include_pending) for card in book.scorecards]

    def _change(self, card: Scorecard, *, include_pending: bool) -> Change:
        there = self._submissions.get(card.platform_id)
        if there is None:
            return Change(card, "not in this assignment")
        if getattr(there, "excused", False):
            return Change(card, "excused there")
        before = str(getattr(there, "score", None) or "")
        if not grades.final(card, include_pending=include_pending):
            return Change(card, "points pending", before)
        same = _same(getattr(there, "score", None), card)
        if not _commented(there, card):
            return Change(card, "grade and comment", before)
        return Change(card, "unchanged" if same else "grade", before)

    def send(self, changes: list[Change], title: str) -> Iterator[tuple[Change, str]]:
        """Send what is wanted; each change with its fault, or "". One student's fault is not the others'."""
        with tempfile.TemporaryDirectory(prefix="torchgrader-") as folder:
            for change in (c for c in changes if c.wanted):
                try:
                    self._send(change, title, Path(folder))
                except (self._errors.CanvasException, OSError, ValueError) as e:
                    yield change, f"{type(e).__name__}: {e}"
                else:
                    yield change, ""

    def _send(self, change: Change, title: str, folder: Path) -> None:
        there = self._submissions[change.card.platform_id]
        self._asked(lambda: there.edit(submission={"posted_grade": change.points}))
        if change.action == "grade and comment":
            page = folder / file_name(change.card)
            page.write_text(outgoing.page(change.card, title), encoding="utf-8")
            self._asked(lambda: there.upload_comment(str(page)))

    def _asked(self, call: Callable[[], T]) -> T:
        """Ask Canvas; wait and ask again when it says that this is too fast."""
        for attempt in range(TRIES):
            try:
                return call()
            except self._errors.RateLimitExceeded:
                if attempt == TRIES - 1:
                    raise
                self._sleep(2.0**attempt)
            except (self._errors.InvalidAccessToken, self._errors.Unauthorized) as e:
                raise UsageError("Canvas does not accept the token: make one and set CANVAS_API_TOKEN.") from e
            except self._errors.Forbidden as e:
                raise UsageError("Canvas does not let this token grade that assignment: use a teacher's.") from e
            except self._errors.ResourceDoesNotExist as e:
                raise UsageError("Canvas has no such course or assignment: look at the numbers in its address.") from e
        raise AssertionError("unreachable")  # the last try returns or raises


def tag(card: Scorecard) -> str:
    """Names what the page says: equal for equal results, however long they took."""
    seen = [
        [q.id, q.points, [[c.title, c.verdict, c.points, c.message] for c in q.checks]]
        for q in folding.folded(card).questions
    ]
    text = json.dumps([card.student_id, card.submission_digest, card.late_percent, seen], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_name(card: Scorecard) -> str:
    """The name of the page in Canvas."""
    return f"feedback-{tag(card)}.html"


def _commented(there: Any, card: Scorecard) -> bool:
    """Whether a comment carries the page already; Canvas may have put a number behind its name."""
    stem = file_name(card).removesuffix(".html")
    comments: list[Mapping[str, Any]] = getattr(there, "submission_comments", None) or []
    files = [f for c in comments for f in c.get("attachments") or []]
    return any(stem in str(f.get("display_name") or f.get("filename")) for f in files)


def _same(score: object, card: Scorecard) -> bool:
    return isinstance(score, int | float) and grades.number(score) == grades.number(card.grade)
