"""The engine of a Ray cluster: each judge is a task on one of its nodes, and content travels through its object store.

Nothing is shared but the network. Whoever has the cluster's token can run anything on its nodes, so a cluster without
one is refused, on both ends, before the reference leaves this machine.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import socket
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.engines import node
from grader.engines.cargo import Cargo, Hold
from grader.engines.job import ENDS, Job, Message
from grader.errors import UsageError
from grader.model import Submission

LOOPBACK = "127.0.0.2"  # Ray takes 127.0.0.1 for a mistake, and listens on the network instead
ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 20.0  # for a judge to end and its folder to be removed
THE_SAME = "give every machine the same in ~/.ray/auth_token (or RAY_AUTH_TOKEN)"
TOKEN = Path(".ray") / "auth_token"


class Ray:
    """A connection to the cluster at `address` (host:port), or to one of this machine alone, as long as its block runs.

    Raises UsageError where Ray is not installed, or the cluster does not answer or asks for no token.
    """

    def __init__(self, address: str | None, cpus: int, *, gpu: bool) -> None:
        self._address = address
        self._gpu = gpu
        self._wanted_cpus = cpus
        self._ray: Any = None

    def __enter__(self) -> Ray:
        os.environ["RAY_AUTH_MODE"] = "token"  # both are read when ray is imported
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address:
            _refuse_unreachable(self._address)
            os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")  # it answers: 20 s of tries help nobody
            where: dict[str, Any] = {"address": self._address}
        else:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            where = {"address": "local", "_node_ip_address": LOOPBACK, "num_cpus": self._wanted_cpus}
            where["include_dashboard"] = False
        self._ray = _imported()
        try:
            with _silenced():
                self._ray.init(**where, **quiet)
        except (OSError, ValueError, RuntimeError, self._ray.exceptions.RayError) as e:
            raise UsageError(_refusal(self._address or "this machine", e)) from e
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """One share for each judge that the living nodes have room for; the students are dealt out in turn."""
        cpus = self._cpus()
        judges = sum(int(c // cpus) for c in self._nodes()) or 1
        return [part for n in range(judges) if (part := list(submissions[n::judges]))]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """All jobs at once, as far as there is room; the others wait."""
        ray, cpus, hold = self._ray, self._cpus(), Hold()
        cargos = [hold.load(replace(job, plan=replace(job.plan, jobs=cpus))) for job in jobs]
        kept = {digest: [ray.put(content)] for digest, content in hold.contents.items()}  # once a node, by Ray's store
        task = ray.remote(num_cpus=cpus, num_gpus=int(self._gpu), max_retries=0)(_task)
        running = {task.options(num_returns="streaming").remote(cargo, kept): cargo.job.key for cargo in cargos}
        try:
            while running:
                ready, _ = ray.wait(list(running), num_returns=1)
                message = self._next(ready[0])
                key = running[ready[0]]
                if message["event"] in ENDS:
                    del running[ready[0]]
                yield key, message
        finally:
            for stream in running:
                ray.cancel(stream)
            for stream in running:
                ray.wait([stream.completed()], timeout=CLOSE_SECONDS)

    def _next(self, stream: Any) -> Message:
        try:
            message: Message = self._ray.get(next(stream))
        except StopIteration:
            return {"event": "gone", "text": "a task of Ray's ended without a word"}
        except self._ray.exceptions.RayError as e:
            return {"event": "gone", "text": f"a Ray node was lost ({type(e).__name__})"}
        return message

    def _cpus(self) -> int:
        """What a judge is given: as asked for, but no more than the smallest node has."""
        nodes = self._nodes()
        if not nodes:
            raise UsageError("no living Ray node has what a judge needs: start one with `ray start --num-cpus N`.")
        return max(1, min(self._wanted_cpus, int(min(nodes))))

    def _nodes(self) -> list[float]:
        """The processors of each living node that judges may run on."""
        alive = [n["Resources"] for n in self._ray.nodes() if n["Alive"]]
        return [r["CPU"] for r in alive if r.get("CPU", 0) >= 1 and (r.get("GPU", 0) >= 1 or not self._gpu)]


def _imported() -> Any:
    try:
        ray = importlib.import_module("ray")
    except ImportError as e:
        raise UsageError("Ray is not installed here: `pip install 'torchgrader[cluster]'`.") from e
    # Of a lost node Ray tells on stdout, whatever its logging is set to; results go there, and we tell of it ourselves.
    vars(importlib.import_module("ray._private.worker"))["print_to_stdstream"] = lambda *_args, **_values: None
    return ray


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Without stderr: Ray's own part in C++ warns there for every try, and the exception says the same."""
    with Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _refusal(where: str, error: Exception) -> str:
    """Why there is no connection. What is wrong with a token is said only in the text of the exception's cause."""
    if "AuthenticationError" in f"{error.__cause__} {type(error).__name__}":
        return f"the Ray cluster at {where} refuses our token: {THE_SAME}."
    return f"no Ray cluster at {where} takes us: {error}"


def _refuse_unreachable(address: str) -> None:
    """Ray itself would try for minutes, and say little."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UsageError(f"{address!r} is no address of a Ray cluster: wanted host:port, as `ray start --head` says.")
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except OSError as e:
        raise UsageError(f"nothing answers at {address} ({e}): start the cluster with `ray start --head`.") from e
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not given and not (Path.home() / TOKEN).is_file():
        make = "make one with `ray get-auth-token --generate`"
        raise UsageError(
            f"there is no token for the Ray cluster: {make}, {THE_SAME}, and start the nodes with RAY_AUTH_MODE=token."
        )


def _task(cargo: Cargo, kept: dict[str, list[Any]]) -> Generator[Message, None, None]:
    """What runs on a node."""
    ray: Any = importlib.import_module("ray")
    if os.environ.get("RAY_AUTH_MODE") != "token":
        text = "this Ray cluster asks for no token, and anybody could read the reference there: start all of its nodes "
        yield {"event": "error", "type": "UsageError", "text": text + "with RAY_AUTH_MODE=token."}
        yield {"event": "done"}
        return
    yield from node.work(cargo, lambda digest: ray.get(kept[digest][0]))
