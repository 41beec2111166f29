"""The `host` image: which folders of this machine a sandbox sees, and its default environment."""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass, field

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOP_LEVEL = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
#: Folders that a Python environment may lie in, but must not be itself: too much would show.
_TOO_MUCH = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/media", "/mnt", "/opt", "/proc"}
    | {"/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/var", "/var/lib", "/var/tmp"}
)
#: Folders for temporary files. Programs expect them to be empty on a fresh machine, and a sandbox
#: mounts its own file system over the last one.
_SCRATCH = ("/tmp", "/var/tmp", "/run", "/dev/shm")
#: Where a virtual environment shows that is below one of those, and its scripts for that path.
_MOVED = "/opt/python-environment/venv"
_MOVED_SCRIPTS = "/opt/python-environment/bin"


@dataclass(frozen=True)
class HostImage:
    """What the zygote makes the `host` image of.

    Attributes:
        trees: folders of the machine that show at their own path; and whether they may be written
            to, each sandbox having its own layer over them.
        moved: virtual environments that show at another path, path in a sandbox to path here.
        links: top-level symbolic links, name to target.
        env: the environment that a process starts with.
        left_out: Python environments that do not show, and why.
    """

    trees: tuple[tuple[str, bool], ...]
    links: dict[str, str]
    env: dict[str, str]
    moved: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def host_image(*, writable: bool) -> HostImage:
    """The image for this machine and the running Python.

    Args:
        writable: whether overlays over the machine's folders can be written to.
    """
    trees, links = [("/usr", writable)], {}
    for name in _TOP_LEVEL:
        if os.path.islink(f"/{name}"):
            links[name] = os.readlink(f"/{name}")
        elif os.path.isdir(f"/{name}"):
            trees.append((f"/{name}", writable))
    moved: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for prefix in _python_prefixes():
        reason = _refusal(prefix)
        if reason:
            left_out[prefix] = reason
        elif _is_virtual(prefix) and any(_is_below(prefix, folder) for folder in _SCRATCH):
            moved[_MOVED] = prefix
        elif not any(_is_below(prefix, tree) for tree, _ in trees):
            trees.append((prefix, False))
    path = _search_path([tree for tree, _ in trees], moved)
    env = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
    return HostImage(tuple(trees), links, env, moved, left_out)


def _python_prefixes() -> list[str]:
    """The environment and the installation that it is made from, outermost first."""
    prefixes = {os.path.realpath(path) for path in (sys.base_prefix, sys.base_exec_prefix)}
    prefixes |= {os.path.realpath(path) for path in (sys.prefix, sys.exec_prefix)}
    return sorted(prefixes)


def _is_virtual(prefix: str) -> bool:
    """Whether it is the virtual environment, which works at any path, not the installation."""
    return prefix == os.path.realpath(sys.prefix) and sys.prefix != sys.base_prefix


def _refusal(prefix: str) -> str:
    homes = {os.path.realpath(entry.pw_dir) for entry in pwd.getpwall()}
    homes |= {os.path.realpath(os.path.expanduser("~"))}
    if prefix in _TOO_MUCH:
        return f"{prefix} is a system directory, not a Python environment"
    if prefix in homes and prefix != "/usr":
        return f"{prefix} is a home directory, not a Python environment"
    return ""


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _search_path(shown: list[str], moved: dict[str, str]) -> str:
    """The standard path; the running Python's own folder, if that shows, comes before it."""
    if moved:
        return f"{_MOVED_SCRIPTS}:{_MOVED}/bin:{_STANDARD_PATH}"
    folder = os.path.join(os.path.realpath(sys.prefix), "bin")
    if folder in _STANDARD_PATH.split(":") or not any(_is_below(folder, tree) for tree in shown):
        return _STANDARD_PATH
    return f"{folder}:{_STANDARD_PATH}"
