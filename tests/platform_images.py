"""Each autograder in a real container, as its platform builds and starts it. Not part of the tests: it takes minutes.

    python -m tests.platform_images gradescope prairielearn ... [--memory 3g] [--cpus 1] [--image NAME] [--base NAME]

`docker` is used, or the command in CONTAINER_ENGINE, which may hold options. Without --image one is built: Gradescope's
by setup.sh on --base (ubuntu:22.04), PrairieLearn's by its Dockerfile, and for the others, whose machines the course
prepares, one of Python with the packages. Options that building or running need in your network go into
CONTAINER_BUILD and CONTAINER_RUN. The assignment is the small one of the tests, with everything hidden marked: each
submission has to get its points, by a result that the platform takes, and nothing hidden may be told.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.platforms import CANARY, PLACES, packed, unpacked, valid, with_canaries
from tests.test_lms_runs import HOSTILE, POINTS, SUBMISSIONS, made
from tests.tiny import Tiny

ENDLESS = "def double(x):\n    while True:\n        pass\n"
ROOTS = {"gradescope": "/autograder", "prairielearn": "/grade"}  # folders of their own; the others have one, a job's
COMMANDS = {
    "gradescope": "/autograder/source/run_autograder",
    "prairielearn": "/grade/tests/run.sh",
    "autolab": "make",
    "classroom50": "python3 autograder/autograder.py",
    "submitty": "python3 run_torchgrader.py",
    "vpl": "bash -c './vpl_evaluate.sh && ./vpl_execution'",
}
GRADESCOPE = """\
FROM {base}
COPY source /autograder/source
RUN apt-get update -q && cp /autograder/source/run_autograder /autograder/ && bash /autograder/source/setup.sh
"""
COURSE = """\
FROM {base}
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
"""


def say(line: str) -> None:
    """A line at once, however long the next takes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def engine(*arguments: str) -> list[str]:
    """A command of the container engine."""
    return [*shlex.split(os.environ.get("CONTAINER_ENGINE", "docker")), *arguments]


def build(tiny: Tiny, platform: str, base: str, folder: Path) -> str:
    """The image that the platform would make of the package; its name."""
    if platform == "gradescope":
        unpacked(packed(tiny, platform), folder / "source")
        text = GRADESCOPE.format(base=base or "ubuntu:22.04")
    elif platform == "prairielearn":
        text = (unpacked(packed(tiny, platform), folder) / "Dockerfile").read_text()
        text = text.replace("python:3.12-slim", base or "python:3.12-slim")
    else:
        unpacked(packed(tiny, "gradescope"), folder)
        text = COURSE.format(base=base or "python:3.12")
    (folder / "Dockerfile").write_text(text)
    options = shlex.split(os.environ.get("CONTAINER_BUILD", ""))
    subprocess.run(engine("build", *options, "-t", f"torchgrader-{platform}", str(folder)), check=True)
    return f"torchgrader-{platform}"


def run(platform: str, image: str, root: Path, limits: list[str], seconds: float = 600) -> str:
    """A fresh container for one submission; what was printed. It is killed after so many seconds."""
    inside = ROOTS.get(platform, "/job")
    paths = sorted(root.iterdir()) if platform in ROOTS else [root]
    mounts = [f"-v{p}:{inside}/{p.name}" if platform in ROOTS else f"-v{p}:{inside}" for p in paths]
    given = [f"-e{name}={value}" for name, value in {"CLASSROOM": "c", "ASSIGNMENT": "a", "COMMIT_URL": "u"}.items()]
    options = shlex.split(os.environ.get("CONTAINER_RUN", ""))
    name = f"torchgrader-{platform}-{os.getpid()}"
    command = engine("run", "--rm", "--name", name, *limits, *options, *given, *mounts, "-w", inside, image)
    ran = subprocess.Popen(
        [*command, *shlex.split(COMMANDS[platform])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        return ran.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        subprocess.run(engine("kill", "--signal", "KILL", name), check=True, capture_output=True)
        return ran.communicate()[0]


def tried(tiny: Tiny, platform: str, image: str, folder: Path, limits: list[str]) -> Iterator[str]:
    """Every submission once; a line of what is wrong for each that is not as it should be."""
    public = platform == "classroom50"
    inside = ROOTS.get(platform, "/job")
    sources = {**SUBMISSIONS, "hostile": HOSTILE.format(root=inside)}
    for what, source in sources.items():
        root, began = folder / what, time.monotonic()
        PLACES[platform].lay(packed(tiny, platform), root, source.encode())
        (root / "results").mkdir(exist_ok=True)
        ours = {str(p) for p in root.rglob("*")}
        printed = run(platform, image, root, limits)
        points = PLACES[platform].told(root, printed)
        wanted = 1.0 if what == "hostile" else min(POINTS[what], 1.0) if public else POINTS[what]
        told = [p.name for p in made(root, ours, PLACES[platform].package) if CANARY.encode() in p.read_bytes()]
        say(f"{platform:13}{what:9}{points:g} points, {time.monotonic() - began:.0f} s")
        if points != wanted or told or CANARY in printed:
            yield f"{platform}, {what}: {points:g} points and not {wanted:g}; hidden in {told}: {printed[-2000:]}"


def endless(tiny: Tiny, image: str, folder: Path, limits: list[str]) -> Iterator[str]:
    """Gradescope alone: our own deadline is met, and who is killed before it leaves results that can be read."""
    for what, deadline, killed in (("deadline", 15.0, 600.0), ("killed", 500.0, 15.0)):
        root = folder / what
        PLACES["gradescope"].lay(packed(tiny, "gradescope"), root, ENDLESS.encode())
        (root / "results").mkdir()
        kit = root / "source" / "kit.json"
        kit.write_text(json.dumps({**json.loads(kit.read_text()), "seconds": deadline}))
        run("gradescope", image, root, limits, killed)
        results = valid(json.loads((root / "results" / "results.json").read_text()))
        say(f"gradescope   {what:9}{results['score']:g} points: {results['output'][:100]}")
        if results["score"] or ("was over" in results["output"]) != (what == "deadline"):
            yield f"gradescope, {what}: {results['output']}"


def main() -> int:
    """1 if any submission was not graded as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("platforms", nargs="+", choices=COMMANDS)
    for option, default in {"memory": "3g", "cpus": "1", "image": "", "base": ""}.items():
        parser.add_argument(f"--{option}", default=default)
    given = parser.parse_args()
    limits, wrong = [f"--memory={given.memory}", f"--cpus={given.cpus}"], []
    with tempfile.TemporaryDirectory() as scratch:
        tiny = with_canaries(Path(scratch) / "tiny")
        for platform in given.platforms:
            folder = Path(scratch) / platform
            (folder / "image").mkdir(parents=True)
            image = given.image or build(tiny, platform, given.base, folder / "image")
            wrong += tried(tiny, platform, image, folder, limits)
            if platform == "gradescope":
                wrong += endless(tiny, image, folder, limits)
    say("\n".join(wrong) or "Everything was graded as it should be.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
