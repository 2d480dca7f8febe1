"""What to do about an error that Python or torch raised: one sentence for the common ones. Trusted side; no torch."""

from __future__ import annotations

import re

ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"shape '\[.*\]' is invalid for input of size",
        (
            "The sizes in view or reshape do not fit. Use x.flatten(1), or x.view(x.size(0), -1): it must work for any "
            "number of images, so that number may not be written into the code."
        ),
    ),
    (
        r"(mat1 and mat2|mat\d and .*) shapes cannot be multiplied",
        "The layer's number of inputs is not what comes out of the layers before it: print x.shape before this line.",
    ),
    (
        r"to have (\d+) channels, but got (\d+) channels",
        "The layer's input channels are not those of what it is given: the first layer's are those of the images.",
    ),
    (r"size mismatch|must match the size", "Two tensors do not fit: print their shapes just before this line."),
    (
        r"Kernel size can't be greater than|output size is too small",
        "The window is larger than what is left of the plane.",
    ),
    (r"before Module\.__init__\(\) call", "Begin __init__ with super().__init__()."),
    (r'missing the required "forward" function', "Write def forward(self, x): with this name, inside the class."),
    (
        r"has no attribute '(\w+)'",
        "Look for a typo: the name after the dot is set nowhere, in __init__ for one.",
    ),
    (r"^name '(\w+)' is not defined", "It is bound nowhere before this line: look for a typo or a missing import."),
    (r"missing \d+ required positional argument", "Give the arguments defaults, or call it with them."),
    (r"doesn't require grad|does not require grad", "Leave out backward(): answers are only run forward."),
    (
        r"[Nn]o such file or directory",
        "No data file is needed: leave the line out, or put it under if __name__ == '__main__'.",
    ),
    (
        r"Torch not compiled with CUDA|No CUDA GPUs|NVIDIA driver",
        "There is no GPU here: use the device of the input, x.device.",
    ),
    (r"recursion depth exceeded", "A function calls itself without an end."),
)
"""(a regular expression found in the error's text, what to do)."""

BY_TYPE = {
    "SystemExit": "exit() ends the program: leave it out, or put it under if __name__ == '__main__'.",
    "KeyboardInterrupt": "Leave out what raises it.",
}


def on(kind: str, text: str) -> str:
    """What to do about an exception of type `kind` with this text; "" where there is nothing to add."""
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    return next((advice for pattern, advice in ADVICE if re.search(pattern, text)), "")


def on_missing(package: str, allowed: tuple[str, ...]) -> str:
    """What to do about an import that found nothing."""
    top = package.partition(".")[0]
    return (
        f"{top} is neither available here nor part of what was handed in. Write it with {_listed(allowed)}; "
        f"if {top}.py is a file of your own, hand it in too."
    )


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names) or "the standard library"
