"""Where this process runs, as far as it decides what to do about modes that do not work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from enum import Enum

from ...kernel.mountinfo import read_mounts

#: Ends with the errno of `unshare(CLONE_NEWUSER)`.
_TRY_USER_NAMESPACE = (
    "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True);"
    "os._exit(ctypes.get_errno() if libc.unshare(0x10000000) else 0)"
)
_DOCKER, _PODMAN = "/.dockerenv", "/run/.containerenv"


class Surroundings(Enum):
    """What this process is in."""

    MACHINE = "machine"
    CHROOT = "chroot"
    DOCKER = "Docker container"
    PODMAN = "Podman container"
    KUBERNETES = "Kubernetes pod"
    GITHUB = "container of GitHub Actions"
    GITLAB = "container of GitLab"


def surroundings() -> Surroundings:
    """Where this process runs; the machine itself, if nothing speaks against it."""
    if not _is_confined():
        # No file says whether the root directory is that of the mount namespace: the mounts look
        # alike, and `/proc/1/root` may not be read. But in another one the kernel refuses user
        # namespaces, also to root: unshare(2), EPERM.
        return Surroundings.CHROOT if user_namespaces_are_refused() else Surroundings.MACHINE
    if "GITHUB_ACTIONS" in os.environ:
        return Surroundings.GITHUB
    if "GITLAB_CI" in os.environ:
        return Surroundings.GITLAB
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return Surroundings.KUBERNETES
    if os.path.exists(_PODMAN):
        return Surroundings.PODMAN
    return Surroundings.DOCKER if os.path.exists(_DOCKER) else Surroundings.MACHINE


def _is_confined() -> bool:
    """Whether system calls are filtered or parts of `/proc` are masked, as in a container.

    Some machines are made from the image of a container, with its marks, and are none.
    """
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    try:
        masked = any(mount.path == "/proc/sys" for mount in read_mounts(proc))
    finally:
        os.close(proc)
    return masked or status.get("Seccomp", "0") != "0"


def user_namespaces_are_refused() -> bool:
    """Whether this process may not make a user namespace, in a chroot or by a filter of calls."""
    tried = subprocess.run([sys.executable, "-I", "-S", "-c", _TRY_USER_NAMESPACE], check=False)
    return tried.returncode == errno.EPERM
