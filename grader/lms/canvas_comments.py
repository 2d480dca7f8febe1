"""Grades and feedback pages sent to Canvas itself, through its API: shown first, and sent once however often asked.

All grades go up in one request, which Canvas works off by itself: it is asked how far it is, and then what became of
each grade, because it does not say whose it could not set. Then each student's page goes up as the file of one comment.
Its name ends in a tag of what it says, so that a page that is there already is seen, and neither an interrupted run nor
a second one comments twice. The token is read from the environment or the keyring, given to canvasapi and to nothing
else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

from grader.errors import UsageError
from grader.lms import folding, grades, outgoing
from grader.model import Gradebook, Scorecard

TRIES = 5  # after a refusal for speed, waiting 1, 2, 4, 8 seconds
TOGETHER = 500  # grades in one request
LOOKS = (1.0, 1.0, 2.0, 3.0, 5.0, *(10.0,) * 30)  # seconds before each look at how far Canvas is
VARIABLE, SERVICE = "CANVAS_API_TOKEN", "torchgrader"  # where the token is: the environment, or the keyring
NOT_TAKEN = "Canvas has another grade after it was sent: look there, then run this again"
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
    """What is to happen for one student: `action` says it, or why nothing is; `before` is the grade that is there."""

    card: Scorecard
    action: str
    before: str = ""
    grade: bool = False
    page: bool = False

    @property
    def points(self) -> str:
        """The points as they are sent."""
        return grades.number(self.card.grade)

    @property
    def wanted(self) -> bool:
        """Whether anything is sent."""
        return self.grade or self.page


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
            self._assignment = self._opened(canvasapi.Canvas(where.url, token), where)
            self._submissions = self._listed()
        except (self._errors.CanvasException, OSError, ValueError) as e:  # what is no answer, or not of a Canvas
            why = f"{type(e).__name__}: {e}"
            raise UsageError(f"Canvas gave no answer ({why}): look at --url, or try again later.") from e

    def _opened(self, canvas: Any, where: Where) -> Any:
        course = self._asked(lambda: canvas.get_course(where.course))
        return self._asked(lambda: course.get_assignment(where.assignment))

    def _listed(self) -> dict[str, Any]:
        """The assignment's submissions with their comments, by user's number, from as many pages as there are."""
        wanted = {"include": ["submission_comments"], "per_page": 100}
        return self._asked(lambda: {str(s.user_id): s for s in self._assignment.get_submissions(**wanted)})

    def changes(self, book: Gradebook, *, include_pending: bool, pages: bool = True) -> list[Change]:
        """What would be sent, a line for each scorecard; without `pages` grades alone."""
        return [self._change(card, include_pending=include_pending, pages=pages) for card in book.scorecards]

    def _change(self, card: Scorecard, *, include_pending: bool, pages: bool) -> Change:
        there = self._submissions.get(card.platform_id)
        if there is None:
            return Change(card, "not in this assignment")
        if getattr(there, "excused", False):
            return Change(card, "excused there")
        before = "" if _score(there) is None else str(_score(there))
        if not grades.final(card, include_pending=include_pending):
            return Change(card, "points pending", before)
        grade = not _same(_score(there), card)
        page = pages and not _commented(there, card)
        action = " and ".join(what for what, is_wanted in (("grade", grade), ("comment", page)) if is_wanted)
        return Change(card, action or "unchanged", before, grade, page)

    def send(self, changes: list[Change], title: str) -> Iterator[tuple[Change, str]]:
        """Send what is wanted; each change with its fault, or "". One student's fault is not the others'.

        Whose grade is not set gets no page either.
        """
        faults = self._set([c for c in changes if c.grade])
        with tempfile.TemporaryDirectory(prefix="torchgrader-") as folder:
            for change in (c for c in changes if c.wanted):
                why = faults.get(change.card.platform_id, "")
                if change.page and not why:
                    why = self._fault(partial(self._comment, change.card, title, Path(folder)))
                yield change, why

    def _set(self, changes: list[Change]) -> dict[str, str]:
        """Set grades; why not, by the user's number, for those that are not as wanted after it."""
        whys: dict[str, str] = {}
        for i in range(0, len(changes), TOGETHER):
            points = {c.card.platform_id: {"posted_grade": c.points} for c in changes[i : i + TOGETHER]}
            whys |= dict.fromkeys(points, self._fault(partial(self._set_together, points)))
        now: dict[str, Any] = {}
        unseen = self._fault(lambda: now.update(self._listed())) if changes else ""
        wrong = (c.card.platform_id for c in changes if not _same(_score(now.get(c.card.platform_id)), c.card))
        return {user: whys[user] or unseen or NOT_TAKEN for user in wrong}

    def _set_together(self, points: Mapping[str, Mapping[str, str]]) -> None:
        """One request for many grades, and the wait until Canvas has worked it off. Raises ValueError."""
        self._wait(self._asked(lambda: self._assignment.submissions_bulk_update(grade_data=points)))

    def _wait(self, progress: Any) -> None:
        for seconds in LOOKS:
            if progress.workflow_state == "completed":
                return
            if progress.workflow_state == "failed":
                raise ValueError(
                    f"Canvas could not set the grades: {getattr(progress, 'message', None) or 'no reason'}"
                )
            self._sleep(seconds)
            with contextlib.suppress(self._errors.CanvasException, OSError):  # then the next look will tell
                progress = self._asked(progress.query)
        raise ValueError("Canvas is still at it: look there in some minutes, then run this again")

    def _comment(self, card: Scorecard, title: str, folder: Path) -> None:
        """Send a page as the file of a comment."""
        page = folder / file_name(card)
        page.write_text(outgoing.page(card, title), encoding="utf-8")
        there = self._submissions[card.platform_id]
        is_there, answer = self._asked(lambda: there.upload_comment(str(page)))
        page.unlink()
        if not is_there:
            raise ValueError(f"the page was not taken: {str(answer)[:200]}")

    def _fault(self, call: Callable[[], object]) -> str:
        """What goes wrong in a call, or "". Raises `UsageError` for what ends the run."""
        try:
            call()
        except (self._errors.CanvasException, OSError, ValueError) as e:
            return str(e) if type(e) is ValueError else f"{type(e).__name__}: {e}"
        return ""

    def _asked(self, call: Callable[[], T]) -> T:
        """Ask Canvas; wait and ask again when it says that this is too fast."""
        for attempt in range(TRIES):
            try:
                return call()
            except (self._errors.RateLimitExceeded, self._errors.Forbidden) as e:
                if isinstance(e, self._errors.Forbidden) and "rate limit" not in str(e).lower():
                    raise UsageError("Canvas does not let this token grade that assignment: use a teacher's.") from e
                if attempt == TRIES - 1:
                    raise
                self._sleep(2.0**attempt)
            except (self._errors.InvalidAccessToken, self._errors.Unauthorized) as e:
                raise UsageError("Canvas does not accept the token: make one and set CANVAS_API_TOKEN.") from e
            except self._errors.ResourceDoesNotExist as e:
                raise UsageError("Canvas has no such course or assignment: look at the numbers in its address.") from e
        raise AssertionError("unreachable")  # the last try returns or raises


def token(url: str) -> str | None:
    """The token from the environment, or that for this Canvas from the keyring, where package and keyring are there."""
    if given := os.environ.get(VARIABLE):
        return given
    try:
        import keyring  # the [lms] extra
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, urlparse(url).hostname or "")
    except KeyringError:  # there is none on this machine, or it stays locked
        return None


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


def _score(there: Any) -> object:
    return getattr(there, "score", None)


def _same(score: object, card: Scorecard) -> bool:
    return isinstance(score, int | float) and grades.number(score) == grades.number(card.grade)
