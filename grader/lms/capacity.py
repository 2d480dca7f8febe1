"""How much memory the container of a platform has, and what can be graded in it."""

from __future__ import annotations

from pathlib import Path

from grader.model import CheckResult, QuestionResult, Scorecard, Verdict

SQUEEZED = (Verdict.TIMED_OUT, Verdict.OUT_OF_MEMORY)
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
TO_LEARN = 1_500_000_000  # bytes: all seven questions, one batch learnt among them, took 1.34 GB with CPU builds


def memory(limits: tuple[Path, ...] = LIMITS) -> int | None:
    """The container's limit in bytes; None where there is none to be seen."""
    for path in limits:
        try:
            return int(path.read_text())
        except (OSError, ValueError):  # cgroup v2 says "max"
            continue
    return None


def too_small(limits: tuple[Path, ...] = LIMITS) -> str:
    """Why no network can learn here, in a sentence for students; "" where one can."""
    bytes_ = memory(limits)
    if bytes_ is None or bytes_ >= TO_LEARN:
        return ""
    return f"This container has {bytes_ / 1e9:.1f} GB of memory: what needs a network to learn is graded later."


def excused(card: Scorecard) -> Scorecard:
    """The card of a container that is too small: what ran out of time or memory there, or waits for that, is pending.

    Whose fault it is cannot be told there: with too little memory, files are read again and again, and time runs out.
    """
    return card.model_copy(update={"questions": tuple(_excused(q) for q in card.questions)})


def _excused(question: QuestionResult) -> QuestionResult:
    if not any(c.verdict in SQUEEZED for c in question.checks):
        return question
    return question.model_copy(update={"checks": tuple(_pending(c) for c in question.checks)})


def _pending(check: CheckResult) -> CheckResult:
    if check.verdict not in (*SQUEEZED, Verdict.SKIPPED):
        return check
    return check.model_copy(update={"verdict": Verdict.UNGRADED, "points": 0.0, "message": "", "detail": ""})
