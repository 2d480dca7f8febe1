"""How late a submission is, and what that costs: the policy, the dates that hold for a student, and where each is from.

Nothing is taken off a check: a Lateness lies on the scorecard beside the points, and the grade is computed from both.
Without a time of handing in, or without a due date, nobody is late.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from grader.model import Lateness, Submission, Value

DAY_SECONDS = 86_400
DIGITS = "0123456789"
PLATFORM_LATE = "The platform itself says late; these dates were used."
PLATFORM_NOT_LATE = "The platform itself says not late; these dates were used."
Percent = Annotated[float, Field(ge=0, le=100)]


class Policy(Value):
    """`[late]` of assignment.toml: when it is due, and what each begun day costs of the points reached.

    Whoever is late by no more than the grace is on time; beyond it lateness counts from the due date.
    """

    due: AwareDatetime | None = None
    grace_minutes: Annotated[int, Field(ge=0)] = 0
    policy: Literal["none", "percent_per_day"] = "none"
    percent_per_day: Percent = 0.0
    maximum_percent: Percent = 100.0

    @model_validator(mode="after")
    def _one_meaning(self) -> Policy:
        if (self.policy == "percent_per_day") != bool(self.percent_per_day):
            raise ValueError('policy = "percent_per_day" and a percent_per_day above 0 go together')
        return self


@dataclass(frozen=True)
class Extension:
    """A student's own due date, or hours after everybody's."""

    due: datetime | None = None
    hours: float = 0.0


@dataclass(frozen=True)
class Rules:
    """All that decides lateness; ids are in lower case, and `files` takes files' times.

    `due` is from the command line, or `due_by` says where it is from; `sent_by` says who tells when it was handed in.
    `times` are by student, and those of one attempt by `attempt_key`.
    """

    policy: Policy
    due: datetime | None = None
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)
    files: bool = False
    due_by: str = "the command line"
    sent_by: str = "the platform's export"


def assessed(submission: Submission, rules: Rules) -> Submission:
    """The submission with its time of handing in and its lateness, as far as they are known; each attempt has its own.

    A time without an attempt is that of the last one.
    """
    whose = {f: getattr(submission, f) for f in ("student_id", "name", "members", "platform", "platform_id")}
    own = replace(rules, times={key: at for key, at in rules.times.items() if "\0" in key})
    earlier = tuple(_assessed(replace(before, **whose), own) for before in submission.earlier)
    return replace(_assessed(submission, rules), earlier=earlier)


def _assessed(submission: Submission, rules: Rules) -> Submission:
    at, told_by = _handed_in(submission, rules)
    due, set_by = _due(submission, rules)
    if at is None or due is None:
        return replace(submission, submitted_at=at)
    seconds = max(0.0, (at - due).total_seconds())
    dates = f"Due {moment(due)} ({set_by}), handed in {moment(at.astimezone(due.tzinfo))} ({told_by})."
    if submission.late is not None:
        dates = f"{dates} {PLATFORM_LATE if submission.late else PLATFORM_NOT_LATE}"
    lateness = _cost(seconds, rules.policy, dates)
    return replace(submission, submitted_at=at, late=lateness.days > 0, lateness=lateness)


def _handed_in(submission: Submission, rules: Rules) -> tuple[datetime | None, str]:
    """When it was handed in, and who says so: the platform, else the list of times, else the files."""
    if submission.submitted_at:
        return submission.submitted_at, rules.sent_by
    named = [attempt_key(key, submission.attempt) for key in keys(submission) if submission.attempt]
    known = [key for key in named if key in rules.times] or [key for key in keys(submission) if key in rules.times]
    listed = [rules.times[key] for key in known]
    if listed:
        return max(listed), "the list of times"
    if rules.files and submission.modified_at:
        return submission.modified_at, "the file's own time"
    return None, ""


def _due(submission: Submission, rules: Rules) -> tuple[datetime | None, str]:
    """When it is due, and who says so; a group has the latest date of its members. No extension brings it forward."""
    due, set_by = (rules.due, rules.due_by) if rules.due else (rules.policy.due, "the assignment")
    granted = [rules.extensions[key] for key in keys(submission) if key in rules.extensions]
    dates = [date for extension in granted if (date := extension.due or _after(due, extension.hours))]
    return (max(dates), "an extension") if dates and (due is None or max(dates) >= due) else (due, set_by)


def _after(due: datetime | None, hours: float) -> datetime | None:
    return due + timedelta(hours=hours) if due else None


def keys(submission: Submission) -> Iterator[str]:
    """The ids by which a list may name whoever handed it in."""
    ids = (submission.student_id, submission.platform_id, *submission.members)
    yield from dict.fromkeys(folded(i) for i in ids if i)


def folded(student: str) -> str:
    """An id as lists are searched for it: whatever its case, and however its accents are encoded."""
    return unicodedata.normalize("NFC", student).casefold()


def attempt_key(student: str, attempt: str) -> str:
    """How `Rules.times` names one attempt of a student: by its number, however that is written ("2", "attempt 2")."""
    return f"{student}\0{int(''.join(c for c in attempt if c in DIGITS) or 0)}"


def _cost(seconds: float, policy: Policy, dates: str) -> Lateness:
    """What so many seconds after the due date cost, and why."""
    if seconds <= policy.grace_minutes * 60:
        grace = f"Late by {math.ceil(seconds / 60)} minutes, within the grace of {policy.grace_minutes}: no cost."
        return Lateness(seconds=seconds, days=0, percent=0.0, why=f"{grace if seconds else 'On time.'} {dates}")
    days = math.ceil(seconds / DAY_SECONDS)
    percent = min(policy.maximum_percent, days * policy.percent_per_day)
    late = f"{days} {'day' if days == 1 else 'days'} late"
    rate = f"{policy.percent_per_day:g} % a day"
    if policy.policy == "none":
        rule = f"{late}, which costs nothing here."
    elif percent < days * policy.percent_per_day:
        rule = f"{late}, {rate}, at most {policy.maximum_percent:g} %: -{percent:g} %."
    else:
        rule = f"{late}, {rate}: -{percent:g} %."
    return Lateness(seconds=seconds, days=days, percent=percent, why=f"{rule} {dates}")


def moment(at: datetime) -> str:
    """A time for people, with its zone: "2026-12-01 23:59 +08:00"."""
    zone = at.strftime("%z")
    return f"{at:%Y-%m-%d %H:%M} {zone[:3]}:{zone[3:5]}"
