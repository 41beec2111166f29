"""A stand-in for the server, and what looks at its process from outside."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_sandbox._run import Run, engine_process
from pytest_sandbox._run.processes import start_time

READY = """
    import argparse, fcntl, json, os, shutil, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine")
    parser.add_argument("--run-dir")
    parser.add_argument("--tcp")
    parser.add_argument("--engine-option", action="append", default=[])
    args = parser.parse_args()
    options = dict(option.split("=") for option in args.engine_option)
    print("hello log", file=sys.stderr, flush=True)
    with open(os.path.join(os.path.dirname(__file__), "starts"), "a") as starts:
        starts.write(f"{os.getpid()} {os.getcwd()}\\n")
    socket = os.path.join(args.run_dir, "socket")
    print(json.dumps({"socket": socket, "pid": os.getpid(),
                      "engine": {"name": args.engine, **options},
                      "tcp": args.tcp and {"url": args.tcp}}),
          flush=True)
    lease = open(os.path.join(args.run_dir, "lease"), "r+")
    fcntl.lockf(lease, fcntl.LOCK_EX)
    shutil.rmtree(args.run_dir)
"""

ServerScript = Callable[[str], Path]


@pytest.fixture
def tmp_path(short_path: Path) -> Path:
    """For sockets below it."""
    return short_path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerScript:
    """Use a script instead of the server, and a temporary folder of its own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def use(source: str) -> Path:
        path = tmp_path / "server.py"
        path.write_text(textwrap.dedent(source))
        monkeypatch.setattr(engine_process, "SERVER", (str(path),))
        return path

    return use


@pytest.fixture
def run(server: ServerScript) -> Iterator[Run]:
    server(READY)
    run = Run.create()
    yield run
    run.close()


def starts(tmp_path: Path) -> list[str]:
    return (tmp_path / "starts").read_text().splitlines()


def gone(pid: int) -> bool:
    return start_time(pid) is None


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def lease_is_free(directory: Path) -> bool:
    """Asked in another process: record locks do not keep a process from its own."""
    code = (
        "import fcntl, sys\n"
        "try: fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(1)"
    )
    return subprocess.run([sys.executable, "-c", code, directory / "lease"]).returncode == 0
