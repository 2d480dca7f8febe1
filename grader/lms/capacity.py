"""How much memory the container of a platform has, and what can be graded in it."""

from __future__ import annotations

from importlib import util
from pathlib import Path

from grader.model import CheckResult, QuestionResult, Scorecard, Verdict

SQUEEZED = (Verdict.TIMED_OUT, Verdict.OUT_OF_MEMORY, Verdict.CRASHED)
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
SMALL = 1_500_000_000  # bytes: below, one thing is done after another; at once they take 1.34 GB with CPU builds
TO_LEARN = 700_000_000  # one thing after another
CUDA = 400_000_000  # more with builds that hold it: two processes each write to 140 MB that its libraries fill


def memory(limits: tuple[Path, ...] | None = None) -> int | None:
    """The container's limit in bytes; None where there is none to be seen."""
    for path in limits or LIMITS:
        try:
            return int(path.read_text())
        except (OSError, ValueError):  # cgroup v2 says "max"
            continue
    return None


def small(limits: tuple[Path, ...] | None = None, *, cuda: bool | None = None) -> bool:
    """Whether memory is short. `cuda`: whether torch's libraries hold it; by default that is looked up."""
    bytes_ = memory(limits)
    return bytes_ is not None and bytes_ < SMALL + _of_cuda(cuda)


def too_small(limits: tuple[Path, ...] | None = None, *, cuda: bool | None = None) -> str:
    """Why no network can learn even one batch here, in a sentence for students; "" where one can. `cuda` as above."""
    bytes_ = memory(limits)
    if bytes_ is None or bytes_ >= TO_LEARN + _of_cuda(cuda):
        return ""
    return f"This container has {bytes_ / 1e9:.1f} GB of memory: what needs a network to learn is graded later."


def advice() -> str:
    """What staff may do about the memory, as another sentence; "" where there is enough."""
    bytes_ = memory()
    if bytes_ is None or not small():
        return ""
    build = "with CPU builds of PyTorch (--pip-options) it is enough" if _with_cuda() else "1.5 GB is enough for all"
    return f" It has {bytes_ / 1e9:.1f} GB of memory: {build}, and 3 GB with any."


def _of_cuda(cuda: bool | None) -> int:
    return CUDA if (_with_cuda() if cuda is None else cuda) else 0


def _with_cuda() -> bool:
    """Whether torch's libraries for GPUs are installed; torch itself is not imported to know that."""
    found = util.find_spec("torch")
    folders = found.submodule_search_locations if found else None
    return any((Path(folder) / "lib" / "libtorch_cuda.so").exists() for folder in folders or ())


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
