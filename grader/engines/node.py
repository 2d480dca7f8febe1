"""On a judge's machine: unpacks a job, runs its judge, passes on what that says, and removes what came.

All of it happens in a process of its own, which knows nothing of the cluster. It ends, and tidies up, as soon as the
one that started it ends, killed or not: its stdin closes then.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

from grader.engines.cargo import Cargo, Fetch, keep_data, unpacked
from grader.engines.job import ENDS, Message
from grader.engines.local import Local
from grader.errors import GraderError
from grader.scratch import Scratch
from grader.store import basis

NAMED = ("ready", "error", "lost", "note")  # what is said of a machine as much as of its judge


def work(cargo: Cargo, fetch: Fetch) -> Generator[Message, None, None]:
    """Do a job on this machine; what its judge says, and how it ended. `fetch` is asked for what is not here yet."""
    data = keep_data(cargo.data, fetch) if cargo.data else None
    contents = {digest: fetch(digest) for digest in (cargo.assignment, cargo.reference) if digest}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "grader.engines.node"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")},  # its token, above all
    )
    assert process.stdin is not None  # noqa: S101  # opened with pipes
    assert process.stdout is not None  # noqa: S101
    end: Message | None = None
    try:
        with contextlib.suppress(BrokenPipeError):
            pickle.dump((cargo, contents, data), process.stdin)
            process.stdin.flush()
        for line in process.stdout:
            message = json.loads(line)
            if message["event"] in ENDS:
                end = message
            else:
                yield message
        code = process.wait()  # by then it has tidied up; once we have ended, it may be killed
        yield end or {"event": "gone", "text": f"{platform.node()}: the judge's keeper ended with code {code}"}
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # its sign to end
        process.wait()
        process.stdout.close()


def main() -> None:
    """The process of one job: its cargo comes through stdin, messages go out as lines of JSON."""
    cargo, contents, data = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the coordinator, as this program is
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing else is printed there
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _end_with_caller()

    def say(message: Message) -> None:
        text = f"{platform.node()}: {message['text']}" if message["event"] in NAMED else None
        lines.write(json.dumps({**message, "text": text} if text else message) + "\n")
        lines.flush()

    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError), Scratch("job") as folder:
        for message in _said(cargo, contents, data, folder):
            say(message)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do is to tidy up


def _said(cargo: Cargo, contents: dict[str, bytes], data: str | None, folder: Path) -> Generator[Message, None, None]:
    """What a judge over unpacked cargo says; or why there is none."""
    if (here := basis.machine()) != cargo.machine:
        same = "trained networks may differ from those of other machines in their last digits"
        yield {"event": "note", "text": f"this is {here}, and the coordinator runs on {cargo.machine}: {same}"}
    try:
        job = unpacked(cargo, contents, data, folder)
        with Local() as engine, contextlib.closing(engine.run([job])) as said:
            for _, message in said:
                yield message
    except GraderError as e:
        yield {"event": "error", "type": type(e).__name__, "text": str(e)}
        yield {"event": "done"}
    except OSError as e:
        yield {"event": "lost", "text": str(e)}


def _end_with_caller() -> None:
    """When stdin closes, the main thread is interrupted, in a blocking read as well."""
    caller = threading.main_thread().ident
    assert caller is not None  # noqa: S101  # it runs
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # Ray blocks it, and whoever is started inherits that

    def watch() -> None:
        os.read(0, 1)  # not through sys.stdin: its lock would be held when the interpreter ends
        signal.pthread_kill(caller, signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
