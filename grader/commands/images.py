"""The images that networks are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.commands.shared import OK, out
from grader.errors import UsageError


def prepare(
    source: Annotated[
        str, typer.Option("--source", help="torchvision, or a path: parquet files, or a folder of class folders.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    train_per_class: Annotated[int, typer.Option(min=1, help="Training images of each class.")] = 1000,
    test_per_class: Annotated[int, typer.Option(min=1, help="Test images of each class.")] = 1000,
    salt: Annotated[str, typer.Option(help="Draws another subset; keep it private for a hidden test set.")] = "",
) -> int:
    """Write a balanced subset of CIFAR-10, or of your own images. It is one file."""
    from grader import data  # torch comes with it

    made = data.prepare(source, output, train_per_class, test_per_class, salt)
    out.print(f"{output}: {data.describe(made)}", soft_wrap=True)
    return OK


def info(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A prepared file; without it, the stand-in.")
    ] = None,
) -> int:
    """Say what a prepared file holds."""
    if file and not file.is_file():
        raise UsageError(f"there is no data file {file}: make one with `grader data prepare`.")
    from grader import data  # torch comes with it

    out.print(data.describe(data.open_default(file)), soft_wrap=True)
    return OK
