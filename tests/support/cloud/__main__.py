"""Runs a command with an environment in which Modal's cloud is the server that plays it.

    python -m tests.support.cloud [--engine local|fake] -- pytest --sandbox-engine=modal ...

The command finds a package `modal` 1.6.4, of which there is no more than its version.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sandbox.engine import SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.local import LocalEngine

from . import running

if TYPE_CHECKING:
    from pytest_sandbox.engine import Engine

VERSION = "1.6.4"


def main() -> int:
    """Run it; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.cloud", description=__doc__)
    parser.add_argument("--engine", choices=["local", "fake"], default="local")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    engine: Engine = LocalEngine() if options.engine == "local" else FakeEngine(clock=SystemClock())
    with tempfile.TemporaryDirectory() as folder, running(engine=engine) as cloud:
        metadata = Path(folder, f"modal-{VERSION}.dist-info", "METADATA")
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: modal\nVersion: {VERSION}\n")
        environment = cloud.environment()
        environment["PYTHONPATH"] = os.pathsep.join([folder, environment["PYTHONPATH"]])
        environment["XDG_STATE_HOME"] = folder
        environment.pop("CI", None)
        status = subprocess.run(options.command, env=environment, check=False).returncode
        left = [each for each in cloud.app.state.sandboxes.all() if each.result is None]
        made = len(cloud.app.state.sandboxes.all())
        sys.stdout.write(f"{made} sandboxes, {len(left)} of them left behind\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
