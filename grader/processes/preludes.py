"""What a zygote should have imported for a class, by the text of what was handed in: nothing of it is run.

A wrong guess costs time and nothing else: a worker imports by itself what its zygote has not. No torch here, for the
zygotes of a class are started before it is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model import Submission

PLAIN = ("torch",)
WITH_VISION = ("torch", "torchvision")
IMPORTS_VISION = re.compile(rb"\b(?:import|from)\s[^\"\\\n]{0,200}\btorchvision\b")
PARTS = re.compile(rb"optim|export|compile|dynamo|torch\.fx|torchvision")
"""What code names that needs the parts of torch for networks written down, which take seconds to load."""
MAKES_NETWORKS = re.compile(rb"Module|Sequential|models|hub")
Prelude = tuple[str, ...]
"""The modules that a zygote has imported."""


def prelude(texts: Iterable[bytes]) -> Prelude:
    """The modules that a zygote should have imported for these files."""
    return WITH_VISION if any(IMPORTS_VISION.search(text) for text in texts) else PLAIN


def practises(texts: Iterable[bytes], *, networks: bool) -> bool:
    """Whether torch's parts for networks are worth loading for these files; `networks`: a question asks for one."""
    return any(PARTS.search(text) or (networks and MAKES_NETWORKS.search(text)) for text in texts)


def preludes(submissions: Iterable[Submission]) -> tuple[Prelude, ...]:
    """Those of a class, the smaller first; the plain one where nothing was handed in."""
    return tuple(sorted({prelude(f.data for f in s.files) for s in submissions}, key=len)) or (PLAIN,)
