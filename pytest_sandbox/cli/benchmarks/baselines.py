"""What tests without sandboxes do instead."""

import shutil
import subprocess
import tempfile

from .samples import Samples

TRUE = "/bin/true"
#: The names of the baselines in reports.
FRESH_FOLDER = "subprocess in a fresh folder"
SUBPROCESS = "subprocess"


def plain_subprocess(samples: Samples) -> None:
    """The baseline of creation: one process in a fresh temporary folder."""
    with samples.sample(), tempfile.TemporaryDirectory() as folder:
        subprocess.run([TRUE], cwd=folder, check=True)


def bare_subprocess(samples: Samples) -> None:
    """The baseline of exec: one process."""
    with samples.sample():
        subprocess.run([TRUE], check=True)


def why_not(*wrapper: str) -> str:
    """Why a program that runs others does not do so here; empty if it does."""
    if shutil.which(wrapper[0]) is None:
        return "not installed"
    done = subprocess.run([*wrapper, TRUE], capture_output=True, text=True)
    said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return said[-1] if done.returncode else ""
