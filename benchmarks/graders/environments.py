"""An environment for each peer, made once under build/peers/: its own packages, torch shared with the engine.

torch is taken from the engine's environment through a .pth file, as four copies would take 20 GB; what the peer brings
itself comes first on the path. PyTorch is the same for all, so this favours nobody.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.graders.content import Grader

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers"


def python(grader: Grader) -> Path:
    """The interpreter to run it with; made on first use, which needs a package index."""
    if not grader.packages:
        return Path(sys.executable)
    folder = PEERS / re.sub(r"\W+", "-", "-".join(grader.packages))
    interpreter = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(interpreter), "-m", "pip", "install", "-q", *grader.packages], check=True)
        # Without torch's folder when pip looks, so that the peer gets all that it needs of its own.
        own = next((folder / "lib").glob("python*/site-packages"))
        (own / "engine.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (folder / "ready").touch()
    return interpreter


def versions(grader: Grader) -> str:
    """Its packages with their versions."""
    names = grader.packages or ("pytest",)
    code = "import importlib.metadata as m, sys; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run([python(grader), "-c", code, *names], check=True, capture_output=True, text=True)
    return done.stdout.strip()
