"""The project under test: the directory that sandboxes show which ask for it, and what it lacks."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

from .host_folder import HostFolder, is_below
from .secret_names import VERSION_CONTROL, unwanted
from .sources import Sources, resolved
from .too_much import refusal

#: Options of git: no program that the repository names is run, and it may belong to another user.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "safe.directory=*")
_TIMEOUT = 60.0


class ProjectRefused(Exception):
    """The directory cannot be shown; the message says why."""


def with_project(path: str, folders: list[HostFolder], sources: Sources) -> list[HostFolder]:
    """The folders that show, with that of the project.

    Args:
        path: of the directory.
        folders: all others that show.
        sources: those of editable packages; told of links that lead to the project.

    Raises:
        ProjectRefused: it must not show, or cannot.
    """
    if not os.path.isdir(path):
        raise ProjectRefused(f"{path} is not a directory")
    real = resolved(path, sources.links)
    if reason := refusal(real):
        raise ProjectRefused(reason)
    for folder in folders:
        if is_below(real, folder.source) and (folder.layer != "always" or real == folder.source):
            if folder in sources.folders:
                continue
            raise ProjectRefused(f"{real} lies in {folder.source}, which shows by itself")
    inside = [folder.source for folder in folders if is_below(folder.source, real)]
    inside += [file for file in sources.files if is_below(file, real)]
    kept = tuple(os.path.relpath(each, real) for each in inside)
    # The project shows them itself, where it shows.
    others = [
        replace(folder, shown="without project")
        if folder in sources.folders and is_below(folder.source, real)
        else folder
        for folder in folders
    ]
    return [*others, HostFolder(real, real, "if possible", VERSION_CONTROL, kept, "with project")]


def left_out(project: HostFolder) -> list[str]:
    """Paths in the project that do not show: what git ignores, secrets, and version control.

    What editable packages are imported from is not ignored: compiled modules and generated versions
    often are, and no import works without them.

    Raises:
        ProjectRefused: git cannot say what it ignores.
    """
    root, kept = project.source, project.kept
    ignored: set[str] = set()
    tracked: set[str] = set()
    for repository in _repositories(root, ignored, kept):
        prefix = f"{repository}/" if repository else ""
        for known, arguments in (
            (ignored, ("--others", "--ignored", "--exclude-standard", "--directory")),
            (tracked, ("--cached",)),
        ):
            names = _git_files(f"{root}/{repository}", *arguments)
            known.update(f"{prefix}{name}".rstrip("/") for name in names)
    hidden = [path for path in ignored if not any(is_below(path, each) for each in kept)]
    hidden += unwanted(root, tracked.__contains__, lambda path: _is_skipped(path, ignored, kept))
    return sorted({*project.hidden, *hidden})


def _repositories(root: str, ignored: set[str], kept: tuple[str, ...]) -> list[str]:
    """The repositories in a directory, submodules too, as relative paths; itself is empty."""
    if _git(root, "rev-parse", "--is-inside-work-tree") is None:
        return []
    found = [""]
    for parent, folders, _ in os.walk(root):
        relative = os.path.relpath(parent, root)
        if relative != "." and os.path.lexists(f"{parent}/.git"):
            found.append(relative)
        folders[:] = [name for name in folders if name not in VERSION_CONTROL]
    return found


def _is_skipped(path: str, ignored: set[str], kept: tuple[str, ...]) -> bool:
    """Whether a directory need not be looked into, because all of it is hidden or mounted over."""
    return path in ignored and not any(is_below(each, path) for each in kept)


def _git_files(folder: str, *arguments: str) -> list[str]:
    names = _git(folder, "ls-files", "-z", *arguments)
    return [name for name in (names or "").split("\0") if name]


def _git(folder: str, *arguments: str) -> str | None:
    """What git prints; `None` if the folder is in no repository.

    Raises:
        ProjectRefused: there is a repository, and git does not work.
    """
    try:
        done = subprocess.run(
            [*_GIT, "-C", folder, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return os.fsdecode(done.stdout)
        reason = os.fsdecode(done.stderr).strip()
    if _in_repository(folder):
        raise ProjectRefused(f"git cannot say which files of {folder} it ignores: {reason}")
    return None


def _in_repository(folder: str) -> bool:
    while folder != "/":
        if os.path.lexists(f"{folder}/.git"):
            return True
        folder = os.path.dirname(folder)
    return False
