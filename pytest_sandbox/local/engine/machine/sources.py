"""Sources outside the Python environment that the `host` image shows."""

from __future__ import annotations

import os
import sysconfig
from dataclasses import field

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .editable import editable_sources
from .host_folder import HostFolder, is_below
from .secret_names import unwanted
from .too_much import refusal


@dataclass
class Sources:
    """What shows of packages that are installed as editable.

    Attributes:
        folders: directories, each with a layer.
        files: modules that are single files, which are copied.
        links: symbolic links that lead to them, path to target.
        left_out: what does not show, and why.
    """

    folders: list[HostFolder] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def find_sources(shown: list[HostFolder]) -> Sources:
    """Find them.

    Args:
        shown: folders that show anyway.
    """
    sites = [os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
    found = editable_sources(sites)
    sources = Sources()
    for project in found.unknown:
        sources.left_out[project] = "it is installed as editable in a way that is not known here"
    # The outer ones first, which make those in them superfluous.
    for path in sorted(found.folders, key=os.path.realpath):
        real = resolved(path, sources.links)
        if any(is_below(real, folder.source) for folder in (*shown, *sources.folders)):
            continue
        if reason := refusal(real):
            sources.left_out[path] = reason
        else:
            hidden = tuple(unwanted(real))
            sources.folders.append(HostFolder(real, real, "if possible", hidden))
    for path in found.files:
        real = resolved(path, sources.links)
        if not any(is_below(real, folder.source) for folder in (*shown, *sources.folders)):
            sources.files.append(real)
    return sources


def resolved(path: str, links: dict[str, str]) -> str:
    """A path without links in it; the links that lead to it are added to `links`."""
    real = os.path.realpath(path)
    while path != real:
        parts = path.split("/")
        above = ("/".join(parts[:end]) for end in range(2, len(parts) + 1))
        link = next((each for each in above if os.path.islink(each)), None)
        if link is None:
            break
        links[link] = os.path.realpath(link)
        path = links[link] + path[len(link) :]
    return real
