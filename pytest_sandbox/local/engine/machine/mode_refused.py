"""Why a mode does not work on this machine, and what to do about it."""

from __future__ import annotations

import errno

from ...options import Mode
from .ids import IdsRefused

#: A setting of Ubuntu's kernel since 23.10, and one of Debian's, which keep ordinary users from
#: making user namespaces. Other kernels may not have them.
APPARMOR_USERNS = "kernel/apparmor_restrict_unprivileged_userns"
DEBIAN_USERNS = "kernel/unprivileged_userns_clone"
#: How many user namespaces there may be: namespaces(7), "The /proc/sys/user directory".
MAX_USER_NAMESPACES = "user/max_user_namespaces"
REMEDIES = {
    APPARMOR_USERNS: "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    DEBIAN_USERNS: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    MAX_USER_NAMESPACES: "sudo sysctl -w user.max_user_namespaces=65536",
}
#: Value of each with which an ordinary user cannot make any.
FORBIDDING = {APPARMOR_USERNS: "1", DEBIAN_USERNS: "0", MAX_USER_NAMESPACES: "0"}
LOAD_OVERLAYFS = "sudo modprobe overlay"


class ModeRefused(Exception):
    """A mode does not work on this machine.

    Args:
        reason: what was tried, and the error.
        remedy: what to do about it, a command if there is one.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy

    @classmethod
    def of(cls, mode: Mode, error: Exception) -> ModeRefused:
        """Explain the error with which the start of a mode ended."""
        if isinstance(error, ModeRefused):
            return error
        if isinstance(error, IdsRefused):
            return cls(error.reason, error.remedy)
        if isinstance(error, OSError):
            about = f"{error.filename}: " if error.filename else ""
            return cls(f"{about}{error.strerror}", _remedy(mode, error))
        return cls(str(error))


def sysctl(name: str) -> str | None:
    """A setting of the kernel; `None` if this kernel does not have it."""
    try:
        with open(f"/proc/sys/{name}") as file:
            return file.read().strip()
    except OSError:
        return None


def _remedy(mode: Mode, error: OSError) -> str:
    # ENOSPC is what clone(2) and unshare(2) say when there are too many namespaces of a kind.
    if error.errno == errno.ENOSPC and sysctl(MAX_USER_NAMESPACES) == "0":
        return REMEDIES[MAX_USER_NAMESPACES]
    if error.errno == errno.ENODEV:  # mount(2): the kernel does not know this file system
        return LOAD_OVERLAYFS
    if error.errno in (errno.EPERM, errno.EACCES) and mode in (Mode.SUBORDINATE, Mode.SINGLE):
        for name in (APPARMOR_USERNS, DEBIAN_USERNS):
            if sysctl(name) == FORBIDDING[name]:
                return REMEDIES[name]
    return ""
