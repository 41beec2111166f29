"""The `host` image: which folders of this machine a sandbox sees, and its default environment."""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass, field

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOP_LEVEL = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
#: Folders that a Python environment may be in, but not be: too much would show.
_TOO_MUCH = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/media", "/mnt", "/opt", "/proc"}
    | {"/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/var", "/var/lib", "/var/tmp"}
)


@dataclass(frozen=True)
class HostImage:
    """What the zygote makes the `host` image of.

    Attributes:
        trees: folders that show at the same path; and whether they may be written to, each sandbox
            having its own layer over them.
        links: top-level symbolic links, name to target.
        env: the environment that a process starts with.
        left_out: Python environments that do not show, and why.
    """

    trees: tuple[tuple[str, bool], ...]
    links: dict[str, str]
    env: dict[str, str]
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
    left_out: dict[str, str] = {}
    for prefix in _python_prefixes():
        reason = _refusal(prefix)
        if reason:
            left_out[prefix] = reason
        elif not any(_is_below(prefix, tree) for tree, _ in trees):
            trees.append((prefix, False))
    shown = [tree for tree, _ in trees]
    env = {"PATH": _search_path(shown), "HOME": "/root", "LANG": "C.UTF-8"}
    return HostImage(tuple(trees), links, env, left_out)


def _python_prefixes() -> list[str]:
    """The environment and the installation that it is made from, outermost first."""
    prefixes = {os.path.realpath(path) for path in (sys.base_prefix, sys.base_exec_prefix)}
    prefixes |= {os.path.realpath(path) for path in (sys.prefix, sys.exec_prefix)}
    return sorted(prefixes)


def _refusal(prefix: str) -> str:
    homes = {os.path.realpath(entry.pw_dir) for entry in pwd.getpwall()}
    homes |= {os.path.realpath(os.path.expanduser("~"))}
    if prefix in _TOO_MUCH:
        return f"{prefix} is a system folder, not a Python environment"
    if prefix in homes and prefix != "/usr":
        return f"{prefix} is a home folder, not a Python environment"
    return ""


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _search_path(shown: list[str]) -> str:
    """The standard path, behind the running Python's own folder if that shows."""
    folder = os.path.join(os.path.realpath(sys.prefix), "bin")
    if folder in _STANDARD_PATH.split(":") or not any(_is_below(folder, tree) for tree in shown):
        return _STANDARD_PATH
    return f"{folder}:{_STANDARD_PATH}"
