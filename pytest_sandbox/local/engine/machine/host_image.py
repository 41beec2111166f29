"""The `host` image: which folders of this machine a sandbox sees, and its default environment."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import field, replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import DEFAULT_PATH

from ..gpus.found import FoundGpus
from ..gpus.machine_files import find_gpus
from .host_folder import HostFolder, Layer, is_below, mounts_in, paths_of
from .project import ProjectRefused, with_project
from .sources import Sources, find_sources
from .too_much import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        project: the project, which shows in the sandboxes that ask for it; one of `folders`.
        no_project: why there is none.
        gpus: what sandboxes with GPUs need besides.
        images: the folder with unpacked layers of other images; empty if there is none.
    """

    folders: tuple[HostFolder, ...]
    links: dict[str, str]
    env: dict[str, str]
    moved: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    read_only: dict[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources)
    project: HostFolder | None = None
    no_project: str = ""
    gpus: FoundGpus = field(default_factory=FoundGpus)
    images: str = ""


def host_image(
    *,
    root: bool,
    project: str | None = None,
    simulated_gpus: bool = False,
    images: str = "",
) -> HostImage:
    """The image for this machine and the running Python.

    Args:
        root: whether the zygote is root of the machine, so that sandboxes can change, in layers of
            their own, what belongs to root.
        project: the directory of the project under test, if there is one.
        simulated_gpus: whether sandboxes get simulated GPUs, not those of the machine.
        images: the folder with unpacked layers of other images.
    """
    folders, links = _system_folders("always" if root else "never")
    moved: dict[str, str] = {}
    left_out: dict[str, str] = {}
    read_only: dict[str, str] = {}
    for prefix in _python_prefixes():
        if reason := refusal(prefix):
            left_out[prefix] = reason
        elif shown := _python_folder(prefix, folders, read_only):
            folders.append(shown)
            if shown.path != prefix:
                moved[shown.path] = prefix
    env = {"PATH": _search_path(folders, moved), "HOME": "/root", "LANG": "C.UTF-8"}
    sources = find_sources(folders)
    left_out |= sources.left_out
    folders, no_project = _with_project(project, [*folders, *sources.folders], sources)
    shown_folders = tuple(_without_temporary_files(folders, left_out))
    shown_project = next((each for each in shown_folders if each.shown == "with project"), None)
    if project is not None and shown_project is None and not no_project:
        no_project = left_out.pop(os.path.realpath(project))
    if simulated_gpus:
        from ..gpus.simulated_files import find_simulated

        gpus = find_simulated()
    else:
        gpus = find_gpus(shown_folders)
    return HostImage(
        *(shown_folders, links, env, moved, left_out, read_only, sources),
        *(shown_project, no_project, gpus, images),
    )


def _system_folders(layer: Layer) -> tuple[list[HostFolder], dict[str, str]]:
    """The machine's software, and top-level links to it, name to target."""
    folders, links = [HostFolder("/usr", "/usr", layer)], {}
    for name in _TOP_LEVEL:
        path = f"/{name}"
        if os.path.islink(path):
            links[name] = os.readlink(path)
        elif os.path.isdir(path):
            folders.append(HostFolder(path, path, layer))
    return folders, links


def _python_folder(
    prefix: str, folders: list[HostFolder], read_only: dict[str, str]
) -> HostFolder | None:
    """How an environment or installation shows; `None` if it lies in a folder that does."""
    path = prefix
    if _is_virtual(prefix) and any(is_below(prefix, folder) for folder in _SCRATCH):
        path = _MOVED
    elif any(is_below(prefix, folder.source) for folder in folders):
        return None
    layer: Layer = "if possible" if _is_environment(prefix) else "never"
    if layer != "never" and (mounted := mounts_in(prefix)):
        read_only[path] = f"something else is mounted at {mounted[0]}"
        layer = "never"
    return HostFolder(path, prefix, layer)


def _with_project(
    path: str | None, folders: list[HostFolder], sources: Sources
) -> tuple[list[HostFolder], str]:
    """The folders with that of the project; and why there is none, if so."""
    if path is None:
        return folders, "the engine was started without one (its option `project`)"
    try:
        return with_project(path, folders, sources), ""
    except ProjectRefused as refused:
        return folders, str(refused)


def _without_temporary_files(
    folders: list[HostFolder], left_out: dict[str, str]
) -> Iterator[HostFolder]:
    """Folders without the directory for temporary files, where engines have their sockets.

    One that is that directory itself is left out.
    """
    paths = paths_of(os.path.realpath(tempfile.gettempdir()))
    for folder in folders:
        within = [os.path.relpath(path, folder.source) for path in paths]
        within = [path for path in within if path.split("/")[0] != ".."]
        if "." in within:
            left_out[folder.path] = "it is the directory for temporary files (TMPDIR)"
        elif within:
            # Not even what else would be kept, as the source of a package: runs appear there later.
            kept = [
                each for each in folder.kept if not any(is_below(each, path) for path in within)
            ]
            layer: Layer = "always" if folder.layer == "always" else "if possible"
            hidden = (*folder.hidden, *within)
            yield replace(folder, layer=layer, hidden=hidden, kept=tuple(kept))
        else:
            yield folder


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
        return f"{_MOVED_SCRIPTS}:{_MOVED}/bin:{DEFAULT_PATH}"
    folder = os.path.join(os.path.realpath(sys.prefix), "bin")
    if folder in DEFAULT_PATH.split(":") or not any(is_below(folder, each.path) for each in shown):
        return DEFAULT_PATH
    return f"{folder}:{DEFAULT_PATH}"
