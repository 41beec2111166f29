"""Programs for sandboxes with simulated GPUs, which exist for those that only ask about them.

`nvidia-smi` is a Python program, and NVML a library that a C compiler of the machine makes, once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile

from pytest_sandbox._shared.gpus import simulated_smi

from .found import FoundGpus, GpuFile

#: Where they are in a sandbox.
_INSIDE = "/opt/simulated-gpus"
_LIBRARY = "libnvidia-ml.so.1"
_COMPILERS = ("cc", "gcc", "clang")
_TIMEOUT = 60


def find_simulated() -> FoundGpus:
    """What sandboxes with simulated GPUs need."""
    try:
        return _found(_folder())
    except OSError as error:
        return FoundGpus(missing=f"simulated GPUs need files in the cache: {error}")


def _found(folder: str) -> FoundGpus:
    smi = f"{folder}/nvidia-smi"
    if not os.path.exists(smi):
        with open(simulated_smi.__file__, encoding="utf-8") as file:
            _write(smi, "#!/usr/bin/env python3\n" + file.read())
    files = [GpuFile(f"{_INSIDE}/bin/nvidia-smi", smi)]
    env = {}
    if os.path.exists(library := f"{folder}/{_LIBRARY}") or _compiled(library):
        files.append(GpuFile(f"{_INSIDE}/lib/{_LIBRARY}", library))
        env["LD_LIBRARY_PATH"] = f"{_INSIDE}/lib"
    return FoundGpus(
        origin="simulated" if env else "simulated, without NVML: there is no C compiler, cc",
        common=tuple(files),
        env=env,
        folder=f"{_INSIDE}/bin",
        simulated=True,
    )


def compile_nvml(compiler: str, target: str) -> None:
    """Make the library.

    Raises:
        subprocess.SubprocessError: the compiler refused it, or took too long.
    """
    subprocess.run(
        (compiler, "-shared", "-fPIC", "-O1", f"-Wl,-soname,{_LIBRARY}", "-o", target, _source()),
        check=True,
        capture_output=True,
        timeout=_TIMEOUT,
    )


def _source() -> str:
    return os.path.join(os.path.dirname(__file__), "simulated_nvml.c")


def _compiled(target: str) -> bool:
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return False
    # Renamed when it is whole: other runs may look for it.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as folder:
        made = f"{folder}/{_LIBRARY}"
        try:
            compile_nvml(compiler, made)
        except (OSError, subprocess.SubprocessError):
            return False
        os.rename(made, target)
    return True


def _folder() -> str:
    """A directory for these files, of this version of them; kept for later runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    key = hashlib.sha256()
    for path in (simulated_smi.__file__, _source()):
        with open(path, "rb") as file:
            key.update(file.read())
    folder = f"{cache}/pytest-sandbox/simulated-gpus/{key.hexdigest()[:16]}"
    os.makedirs(folder, 0o700, exist_ok=True)
    return folder


def _write(path: str, text: str) -> None:
    fd, part = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(part, 0o755)
    os.rename(part, path)
