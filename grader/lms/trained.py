"""What of the reference was trained when the platform made its image: a folder in the package, beside the reference.

It is a cache like any other: each training is named by all that it follows from, the processor too, so that on another
one nothing in it is found and everything is trained as without it. Gradings only read it. It may lie where nothing can
be written, and what a student trains may not stay in it, so that each grading has a copy of its own.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from grader.errors import GraderError
from grader.lms.deadline import DeadlineReached, deadline
from grader.plan import Plan
from grader.scratch import Scratch

FOLDER = "trained"
SECONDS = 1200.0  # for all of it, while the image is made; what is not finished by then each grading trains

Train = Callable[[Plan], list[str]]
"""Trains what each grading by a plan asks of the reference, into its cache; for each why it failed, or ""."""


@contextlib.contextmanager
def copied(plan: Plan, package: Path) -> Iterator[Plan]:
    """The plan with a copy of the folder for its cache; as it is, where there is no folder or it cannot be copied."""
    folder = package / FOLDER
    if plan.train is not True or plan.reference is None or not folder.is_dir():
        yield plan
        return
    with Scratch("trained") as cache:
        for path in folder.glob("*.safetensors"):
            with contextlib.suppress(OSError):  # what is not there whole is trained again
                shutil.copyfile(path, cache / path.name)
        yield replace(plan, cache=str(cache), trained=str(folder))


def ahead(plan: Plan, package: Path, train: Train, seconds: float = SECONDS) -> str:
    """Train into the folder; why not everything is there then, in a sentence for staff, or ""."""
    if plan.train is not True or plan.reference is None:
        return "Nothing was trained ahead: here is no reference, there are no images, or memory is short."
    folder = package / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        shutil.copymode(plan.reference, folder)
        with deadline(seconds):
            failed = [why for why in train(replace(plan, cache=str(folder))) if why]
    except DeadlineReached:
        return f"The reference was not trained ahead in {seconds:.0f} seconds: each grading trains what is missing."
    except (GraderError, OSError) as e:
        return f"The reference could not be trained ahead, so each grading trains it: {e}"
    return f"Each grading trains a part of the reference again: {'; '.join(failed)}" if failed else ""
