"""What judges need is loaded once, in the process that they are forked from: each would take seconds for it."""

from __future__ import annotations

import torch
from torch import nn

from grader.judge import judge  # noqa: F401  # for those that are forked


def prepare(*, networks: bool, measures: bool) -> None:
    """Get this process ready; `networks`: a question asks for one; `measures`: they are held against the solutions'.

    It is forked later, so it stays at one thread.
    """
    torch.set_num_threads(1)
    if networks:
        from grader.graph import uncompiled

        uncompiled.leave()
    if measures:
        import scipy.stats  # noqa: F401  # for comparisons

        from grader.graph import capture

        capture.capture(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2), 4)  # the solutions' come later
