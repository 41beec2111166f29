"""The `host` image: which folders of this machine a sandbox sees, and its default environment."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field, replace

from .host_folder import HostFolder, Layer, is_below, mounts_in
from .sources import Sources, find_sources
from .too_much import refusal

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOP_LEVEL = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
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
        folders: folders of the machine that show.
        moved: virtual environments among them that show at another path, path in a sandbox to path
            here.
        links: top-level symbolic links, name to target.
        env: the environment that a process starts with.
        left_out: folders that do not show, and why.
        read_only: Python environments that sandboxes cannot write to, and why.
        sources: those of packages that are installed as editable; their folders are among
            `folders`.
    """

    folders: tuple[HostFolder, ...]
    links: dict[str, str]
    env: dict[str, str]
    moved: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    read_only: dict[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources)


def host_image(*, root: bool) -> HostImage:
    """The image for this machine and the running Python.

    Args:
        root: whether the zygote is root of the machine, so that sandboxes can change, in layers of
            their own, what belongs to root.
    """
    system: Layer = "always" if root else "never"
    folders, links = [HostFolder("/usr", "/usr", system)], {}
    for name in _TOP_LEVEL:
        path = f"/{name}"
        if os.path.islink(path):
            links[name] = os.readlink(path)
        elif os.path.isdir(path):
            folders.append(HostFolder(path, path, system))
    moved: dict[str, str] = {}
    left_out: dict[str, str] = {}
    read_only: dict[str, str] = {}
    for prefix in _python_prefixes():
        path = prefix
        if _is_virtual(prefix) and any(is_below(prefix, folder) for folder in _SCRATCH):
            path = _MOVED
        if reason := refusal(prefix):
            left_out[prefix] = reason
        elif path == _MOVED or not any(is_below(prefix, folder.source) for folder in folders):
            if path == _MOVED:
                moved[path] = prefix
            layer: Layer = "if possible" if _is_environment(prefix) else "never"
            if layer != "never" and (mounted := mounts_in(prefix)):
                read_only[path] = f"something else is mounted at {mounted[0]}"
                layer = "never"
            folders.append(HostFolder(path, prefix, layer))
    env = {"PATH": _search_path(folders, moved), "HOME": "/root", "LANG": "C.UTF-8"}
    sources = find_sources(folders)
    left_out |= sources.left_out
    shown = [without_temporary_files(each, left_out) for each in (*folders, *sources.folders)]
    folders = [folder for folder in shown if folder is not None]
    return HostImage(tuple(folders), links, env, moved, left_out, read_only, sources)


def without_temporary_files(folder: HostFolder, left_out: dict[str, str]) -> HostFolder | None:
    """A folder without the directory for temporary files, where engines have their sockets.

    Args:
        folder: the folder.
        left_out: is told why, if it cannot show at all.

    Returns:
        `None` if it is that directory itself.
    """
    temporary = os.path.realpath(tempfile.gettempdir())
    if temporary == folder.source:
        left_out[folder.path] = "it is the directory for temporary files (TMPDIR)"
        return None
    if not is_below(temporary, folder.source):
        return folder
    hidden = (*folder.hidden, os.path.relpath(temporary, folder.source))
    return replace(
        folder, layer="always" if folder.layer == "always" else "if possible", hidden=hidden
    )


def _python_prefixes() -> list[str]:
    """The environment and the installation that it is made from, outermost first."""
    prefixes = {os.path.realpath(path) for path in (sys.base_prefix, sys.base_exec_prefix)}
    prefixes |= {os.path.realpath(path) for path in (sys.prefix, sys.exec_prefix)}
    return sorted(prefixes)


def _is_environment(prefix: str) -> bool:
    """Whether packages are installed there: no one installs any below a virtual environment."""
    return prefix in (os.path.realpath(sys.prefix), os.path.realpath(sys.exec_prefix))


def _is_virtual(prefix: str) -> bool:
    """Whether it is the virtual environment, which works at any path, not the installation."""
    return prefix == os.path.realpath(sys.prefix) and sys.prefix != sys.base_prefix


def _search_path(shown: list[HostFolder], moved: dict[str, str]) -> str:
    """The standard path; the running Python's own folder, if that shows, comes before it."""
    if moved:
        return f"{_MOVED_SCRIPTS}:{_MOVED}/bin:{_STANDARD_PATH}"
    folder = os.path.join(os.path.realpath(sys.prefix), "bin")
    if folder in _STANDARD_PATH.split(":") or not any(
        is_below(folder, each.path) for each in shown
    ):
        return _STANDARD_PATH
    return f"{folder}:{_STANDARD_PATH}"
