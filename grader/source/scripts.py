"""The text cells of a notebook that was handed in as a script: comments, as Jupyter and VS Code write them.

`# %% [markdown]` begins a text cell (VS Code, Spyder, jupytext); nbconvert marks only the code, by `# In[3]:`.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TEXT_CELL = re.compile(r"#\s*%%.*\[(markdown|md)\]", re.IGNORECASE)
CODE_CELL = re.compile(r"#\s*%%|#\s*In\s?\[[\d ]*\]:")
QUOTES = re.compile(r"[rR]?(\"\"\"|''')")


def texts(text: str) -> Iterator[tuple[int, str]]:
    """(number of the code before it, text) of each text cell; none where no mark of a cell is in the script."""
    lines = text.split("\n")
    exported = any(line.startswith("# In") and CODE_CELL.match(line) for line in lines)
    within, after, found = exported, 0, list[str]()
    for line in [*lines, "# %%"]:
        begins = TEXT_CELL.match(line)
        if not begins and not CODE_CELL.match(line) and (taken := _taken(line, within, exported)) is not None:
            found.append(taken)
            continue
        if any(found):
            yield after, "\n".join(found)
        within, after, found = bool(begins) or exported, after + 1, []


def _taken(line: str, within: bool, exported: bool) -> str | None:
    """What a line gives a text cell; None for an exported script's code, which ends one as the next mark does."""
    if line.startswith("#"):
        return line[1:].removeprefix(" ") if within else ""
    if exported and line.strip():
        return None
    return QUOTES.sub("", line) if within else ""
