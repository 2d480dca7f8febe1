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
    (
        r"size mismatch|must match the size|Sizes of tensors must match|equal size",
        "Two tensors do not fit: print their shapes just before this line.",
    ),
    (
        r"Kernel size can't be greater than|output size is too small|pad should be at most half",
        "The window is larger than what is left of the plane: look at the sizes of window, stride and padding.",
    ),
    (
        r"Expected \dD|must be a \dD|Dimension out of range|too many indices",
        "The layer takes another number of dimensions: images are (N, C, H, W). Print x.shape before this line.",
    ),
    (
        r"must have the same dtype|should be the same|expected scalar type|not implemented for '",
        "Two types of numbers meet: keep the input's float32, without double(), long() or numpy on the way.",
    ),
    (
        r"modified by an inplace operation|leaf Variable that requires grad",
        "Do not change a tensor in place (+=, x[...] = ..., relu_): make a new one.",
    ),
    (r"Expected more than 1 value per channel", "BatchNorm cannot train on one image: give it a batch of several."),
    (r"before Module\.__init__\(\) call|super\(type, obj\)", "Begin __init__ with super().__init__()."),
    (r'missing the required "forward" function', "Write def forward(self, x): with this name, inside the class."),
    (
        r"unexpected keyword argument",
        "Look for a typo: nothing takes an argument of this name. help() lists the names.",
    ),
    (
        r"'NoneType' object",
        "Something is None here: look for a name that is still None, or a function without return.",
    ),
    (
        r"object is not callable",
        "Something is called that is no function: look for brackets too many, or a name used twice.",
    ),
    (
        r"has no attribute '(\w+)'",
        "Look for a typo: the name after the dot is set nowhere, in __init__ for one.",
    ),
    (r"cannot import name", "Look for a typo, or for a name that another version of the package has."),
    (
        r"^name '(\w+)' is not defined|cannot access local variable",
        "It is bound nowhere before this line: look for a typo or a missing import.",
    ),
    (
        r"was not bound",
        "Its statement was left out, or did not run: put what it needs before it, outside of training and tests.",
    ),
    (r"missing \d+ required positional argument", "Give the arguments defaults, or call it with them."),
    (
        r"takes (from )?\d+ (to \d+ )?positional arguments? but",
        "The number of arguments does not fit: look for a missing self, or a missing x in forward.",
    ),
    (
        r"Boolean value of Tensor|only one element tensors|a Tensor with \d+ elements",
        "Ask for one number: x.sum(), x.any() or x.all().",
    ),
    (r"doesn't require grad|does not require grad", "Leave out backward(): answers are only run forward."),
    (
        r"argument 'dim' must be int, not tuple|not implemented for NumPy arrays",
        "A tensor was handed to numpy: use torch's own function, or make it an array first with x.numpy().",
    ),
    (r"Can't call numpy\(\)", "Leave out numpy(): return the tensor itself."),
    (
        r"name resolution|urlopen|Network is unreachable|Max retries|no network here",
        "There is no network here: leave the download out, no data or weights are needed.",
    ),
    (
        r"[Pp]ermission denied|Operation not permitted|Read-only file system",
        "This is not allowed here: an answer may only use its input, no other files or processes.",
    ),
    (
        r"there is no .+ here, and no trained weights are needed",
        "",
    ),
    (
        r"[Nn]o such file or directory",
        "No data file is needed: leave the line out, or put it under if __name__ == '__main__'.",
    ),
    (
        r"Torch not compiled with CUDA|No CUDA GPUs|NVIDIA driver|Cannot access accelerator",
        "There is no GPU here: use the device of the input, x.device.",
    ),
    (r"recursion depth exceeded", "A function calls itself without an end."),
    (
        r"division (or modulo )?by zero|division by zero",
        "A number below the fraction line is 0: print it before this line.",
    ),
    (
        r"index .*out of (range|bounds)",
        "The index is larger than the list or tensor: print its length before this line.",
    ),
    (r"waits for an answer", ""),
)
"""(a regular expression found in the error's text, what to do)."""

BY_TYPE = {
    "SystemExit": "exit() ends the program: leave it out, or put it under if __name__ == '__main__'.",
    "KeyboardInterrupt": "Leave out what raises it.",
}


ENDLESS = "Look for an endless loop, or for training that starts when the file is read."
DIED = "Python itself was ended: look for code that goes around Python, such as ctypes or os.kill."
PLAIN = "Return an ordinary tensor of numbers, and leave files alone that you did not open."
LARGE = "Look for a tensor with one size far too large, or for results that are kept in a list."
DIVERGED = "Look for a division, a logarithm or an exponential without bounds, or for weights that start too large."
SMALLER = "Make the network smaller: fewer channels or layers, or a stride in its first ones."
OTHERWISE = "Run this line alone, on a small input."


def on(kind: str, text: str) -> str:
    """What to do about an exception of type `kind` with this text; "" where the text says it itself."""
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    return next((advice for pattern, advice in ADVICE if re.search(pattern, text)), OTHERWISE)


FRAMEWORKS = {
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "jax": "JAX",
    "flax": "Flax",
    "paddle": "PaddlePaddle",
    "mxnet": "MXNet",
    "mindspore": "MindSpore",
    "tinygrad": "tinygrad",
}
"""Import names of other frameworks, and what they call themselves."""
NETWORKS = {
    "timm": "timm",
    "efficientnet_pytorch": "efficientnet_pytorch",
    "transformers": "transformers",
    "pretrainedmodels": "pretrainedmodels",
    "segmentation_models_pytorch": "segmentation_models_pytorch",
    "fastai": "fastai",
}
"""Likewise of packages that hold finished networks, or the classes to make them of."""


def on_missing(package: str, allowed: tuple[str, ...]) -> str:
    """What to do about an import that found nothing."""
    top = package.partition(".")[0]
    if top in FRAMEWORKS:
        return (
            f"{FRAMEWORKS[top]} is another framework, and not available here. What is asked for is PyTorch: layers and "
            f"networks of torch.nn, written with {_listed(allowed)}."
        )
    if top in NETWORKS:
        return (
            f"{NETWORKS[top]} is a package of finished networks or training, and not available here. What is asked for "
            f"is a network of your own, a class that derives from nn.Module, written with {_listed(allowed)}."
        )
    return (
        f"{top} is neither available here nor part of what was handed in. Write it with {_listed(allowed)}; "
        f"if {top}.py is a file of your own, hand it in too."
    )


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names) or "the standard library"
