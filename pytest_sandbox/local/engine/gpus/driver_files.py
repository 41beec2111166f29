"""What a container with a GPU needs of the driver, where no CDI specification says it.

The lists are those of `nvidia-container-cli` for the capabilities "compute" and "utility":
src/nvc_info.c of https://github.com/NVIDIA/libnvidia-container.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from .found import COMPUTE_NODE, DEVICE_NODE, FoundGpus, GpuFile

#: Libraries by the beginning of their names, and what they are for.
LIBRARIES = {
    "libnvidia-ml.so": "management",
    "libnvidia-cfg.so": "configuration",
    "libnvidia-nscq.so": "topology of NVSwitches",
    "libcuda.so": "CUDA",
    "libcudadebugger.so": "debugging of CUDA",
    "libnvidia-opencl.so": "OpenCL",
    "libnvidia-gpucomp.so": "compiler that others share",
    "libnvidia-ptxjitcompiler.so": "compiler of PTX, for CUDA",
    "libnvidia-fatbinaryloader.so": "loader of old CUDA programs",
    "libnvidia-allocator.so": "memory allocator",
    "libnvidia-compiler.so": "compiler for OpenCL",
    "libnvidia-pkcs11.so": "encryption",
    "libnvidia-pkcs11-openssl3.so": "encryption, with OpenSSL 3",
    "libnvidia-nvvm.so": "compiler of NVVM",
    "libnvidia-tileiras.so": "compiler of Tile IR",
}
#: Programs, and what they are for. Its daemons are not for sandboxes.
PROGRAMS = {
    "nvidia-smi": "management",
    "nvidia-debugdump": "dumps of a GPU",
    "nvidia-cuda-mps-control": "sharing of a GPU, its command line",
    "nvidia-cuda-mps-server": "sharing of a GPU",
}
#: How the reason begins why there are none on most machines.
NO_DRIVER = "there are no device nodes /dev/nvidia…"
_DRIVER = "/proc/driver/nvidia/version"
#: A line of `ldconfig -p`: name, kind, path.
_CACHED = re.compile(r"^\s*(\S+) \(([^)]*)\) => (\S+)$", re.MULTILINE)
_TIMEOUT = 10


def find_driver() -> FoundGpus:
    """What is there."""
    if os.path.exists(_DRIVER) and not os.path.exists("/dev/nvidia-uvm"):
        _make_nodes()
    nodes = [path for path in _listed("/dev") if COMPUTE_NODE.fullmatch(path)]
    devices = {path: (GpuFile(path, path),) for path in nodes if DEVICE_NODE.fullmatch(path)}
    if not devices:
        loaded = "finds no device" if os.path.exists(_DRIVER) else "is not loaded"
        return FoundGpus(missing=f"{NO_DRIVER}: the driver {loaded}")
    common = [GpuFile(path, path) for path in nodes if path not in devices]
    libraries = _libraries()
    paths = [*libraries, *_programs()]
    real = list(dict.fromkeys(os.path.realpath(path) for path in paths))
    return FoundGpus(
        origin="found as by nvidia-container-cli",
        common=(*common, *(GpuFile(path, path) for path in real)),
        devices=devices,
        links={path: os.path.realpath(path) for path in paths if os.path.islink(path)},
        env={"LD_LIBRARY_PATH": ":".join(dict.fromkeys(map(os.path.dirname, libraries)))},
    )


def _make_nodes() -> None:
    """Device nodes do not exist until something asks for them: nvidia-modprobe(1)."""
    program = shutil.which("nvidia-modprobe")
    if program is not None:
        subprocess.run((program, "-c=0", "-u"), capture_output=True, timeout=_TIMEOUT, check=False)


def _libraries() -> list[str]:
    program = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        return []
    done = subprocess.run(
        (program, "-p"), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    return [
        path
        for name, kind, path in _CACHED.findall(done.stdout)
        # Those of 32 bits have no kind of machine beside that of the C library: ldconfig(8).
        if "64" in kind and any(name.startswith(known) for known in LIBRARIES)
    ]


def _programs() -> list[str]:
    return [path for name in PROGRAMS if (path := shutil.which(name)) is not None]


def _listed(folder: str) -> list[str]:
    return sorted(f"{folder}/{name}" for name in os.listdir(folder))
