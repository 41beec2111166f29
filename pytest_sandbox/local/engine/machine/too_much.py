"""Folders that what sandboxes see may lie in, but must not be itself: too much would show."""

from __future__ import annotations

import os
import pwd

_SYSTEM = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/media", "/mnt", "/opt", "/proc"}
    | {"/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/var", "/var/lib", "/var/tmp"}
)
#: What a sandbox has of its own; nothing in there shows.
_OWN = ("/dev", "/proc", "/sys", "/var/run", "/var/lock")


def refusal(folder: str) -> str:
    """Why a folder of the machine must not show; empty if it may."""
    homes = {os.path.realpath(entry.pw_dir) for entry in pwd.getpwall()}
    homes |= {os.path.realpath(os.path.expanduser("~"))}
    if folder in _SYSTEM:
        return f"{folder} is a system directory"
    if folder in homes and folder != "/usr":
        return f"{folder} is a home directory"
    if folder.startswith(tuple(f"{own}/" for own in _OWN)):
        return "sandboxes have a file system of their own there"
    return ""
