"""The command line: which commands there are, and one handler for everything that can go wrong.

0 all graded · 1 some INTERNAL · 2 expected and explained · 3 unexpected, with something to paste · 130 interrupted
"""

from __future__ import annotations

import gc
import io
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import typer

from grader import __version__
from grader.commands.shared import EXPLAINED, INTERRUPTED, UNEXPECTED, complain, err, out
from grader.errors import GraderError

COMMANDS = {  # name: module of grader.commands, function
    "grade": ("grading", "grade"),
    "check": ("checking", "check"),
    "handout": ("kit", "hand_out"),
    "demo": ("grading", "demo"),
    "regrade": ("grading", "regrade"),
    "runs": ("records", "runs"),
    "show": ("records", "show"),
    "override": ("records", "override"),
    "mark": ("records", "mark"),
    "withdraw": ("records", "withdraw"),
    "report": ("records", "report"),
    "export": ("platforms", "export"),
    "package": ("platforms", "package"),
    "lms-run": ("platforms", "run_there"),
    "lms-train": ("platforms", "train_there"),
    "doctor": ("machine", "examine"),
}
HIDDEN = frozenset({"lms-run", "lms-train"})
KEEPING = frozenset({"grade", "regrade", "demo"})
"""Commands that keep each result as it comes."""
HELP = {"help_option_names": ["-h", "--help"]}
DATA = {"prepare": ("images", "prepare"), "info": ("images", "info")}


def application(wanted: str = "") -> typer.Typer:
    """The command that is wanted by its name, else all: what the others import takes longer than some of them run."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=HELP,
    )
    app.callback()(_options)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        app.command(name, hidden=name in HIDDEN)(_function(*COMMANDS[name]))
    if wanted not in COMMANDS:
        data = typer.Typer(no_args_is_help=True, help="Prepare the images for training, or look at them.")
        for name, place in DATA.items():
            data.command(name)(_function(*place))
        app.add_typer(data, name="data")
    return app


def _function(module: str, name: str) -> Callable[..., int]:
    """A command's function, from its module."""
    function: Callable[..., int] = getattr(import_module(f"grader.commands.{module}"), name)
    return function


def _version(value: bool) -> None:
    if value:
        out.print(f"torchgrader {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Grade deep-learning assignments: student code in a sandbox, models by measurement, reports to read."""


def main() -> None:
    """The `grader` command: one handler for everything that can go wrong."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character shows it escaped
            stream.reconfigure(errors="backslashreplace")
    command = next((a for a in sys.argv[1:] if not a.startswith("-")), "")
    try:
        commands = application(command)
        gc.freeze()  # what has just been imported is no garbage: to look through it again takes a tenth of a grading
        code = commands(standalone_mode=False, prog_name="grader")
    except GraderError as e:
        complain(str(e))
        code = EXPLAINED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as e:  # noqa: BLE001  # the last handler: everything else has its own
        code = _usage_or_unexpected(e)
    if code == INTERRUPTED:  # typer makes an exit code of most interrupts itself
        complain("interrupted; what was graded is kept" if command in KEEPING else "interrupted")
    sys.exit(code)


def _explain(message: str, context: typer.Context | None) -> None:
    """Say what is wrong with how a command was called, and which help tells more; the help itself stands alone."""
    if message.startswith("Usage: "):
        err.print(message)
        return
    command = context.command_path if context else "grader"
    complain(f"{message.replace('Value error, ', '').rstrip('.')}. `{command} --help` says how it is used.")


def _usage_or_unexpected(error: Exception) -> int:
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # typer's own usage errors
        _explain(error.format_message(), getattr(error, "ctx", None))
        return EXPLAINED
    with tempfile.NamedTemporaryFile("w", prefix="grader-", suffix=".log", delete=False) as log:
        log.write(f"torchgrader {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=log)
    complain(f"unexpected {type(error).__name__}: {error}\nPlease report it with the file {log.name}")
    return UNEXPECTED


if __name__ == "__main__":
    main()
