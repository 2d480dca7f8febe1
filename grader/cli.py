"""The command line: which commands there are, and one handler for everything that can go wrong.

0 all graded · 1 some INTERNAL · 2 expected and explained · 3 unexpected, with something to paste · 130 interrupted
"""

from __future__ import annotations

import io
import sys
import tempfile
import traceback
from typing import Annotated

import typer

from grader import __version__
from grader.commands import checking, grading, images, kit, machine, platforms, records
from grader.commands.shared import EXPLAINED, INTERRUPTED, UNEXPECTED, complain, out
from grader.errors import GraderError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("grade")(grading.grade)
app.command("check")(checking.check)
app.command("handout")(kit.hand_out)
app.command("demo")(grading.demo)
app.command("regrade")(grading.regrade)
app.command("runs")(records.runs)
app.command("show")(records.show)
app.command("override")(records.override)
app.command("mark")(records.mark)
app.command("report")(records.report)
app.command("export")(platforms.export)
app.command("package")(platforms.package)
app.command("lms-run", hidden=True)(platforms.run_there)
app.command("doctor")(machine.examine)

data_app = typer.Typer(no_args_is_help=True, help="Prepare the images that networks are trained on, or look at them.")
data_app.command("prepare")(images.prepare)
data_app.command("info")(images.info)
app.add_typer(data_app, name="data")


def _version(value: bool) -> None:
    if value:
        out.print(f"torchgrader {__version__}")
        raise typer.Exit


@app.callback()
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
    try:
        code = app(standalone_mode=False)
    except GraderError as e:
        complain(str(e))
        code = EXPLAINED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as e:  # noqa: BLE001  # the last handler: everything else has its own
        code = _usage_or_unexpected(e)
    if code == INTERRUPTED:  # typer makes an exit code of most interrupts itself
        complain("interrupted; what was graded is kept")
    sys.exit(code)


def _usage_or_unexpected(error: Exception) -> int:
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # typer's own usage errors
        complain(f"{error.format_message()} Try `grader --help`.")
        return EXPLAINED
    with tempfile.NamedTemporaryFile("w", prefix="grader-", suffix=".log", delete=False) as log:
        log.write(f"torchgrader {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=log)
    complain(f"unexpected {type(error).__name__}: {error}\nPlease report it with the file {log.name}")
    return UNEXPECTED


if __name__ == "__main__":
    main()
