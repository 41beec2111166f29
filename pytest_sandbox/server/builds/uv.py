"""The uv of this machine, which stands in for the image that Dockerfiles copy it from."""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.local_files import LocalFile
from ..registries.standalone_python import FileOnDisk
from .context import CopiedFile
from .failures import NO_UV
from .steps import CopyStep, RunStep

if TYPE_CHECKING:
    from .copies import CopyLine

_PROGRAMS = frozenset({"/uv", "/uvx", "uv", "uvx"})
#: What the log of a build says of it, after the line.
STANDS_IN = "   (the uv of this machine)"


def is_of_uv(line: CopyLine) -> bool:
    """Whether it copies nothing but programs of uv."""
    return set(line.sources) <= _PROGRAMS


def take_uv(line: CopyLine, step: RunStep, search_path: str) -> RunStep | CopyStep:
    """A step that has uv of this machine where a line copies it to.

    Args:
        line: with COPY.
        step: as which a command would be run.
        search_path: where a view of this machine has programs.
    """
    names = [os.path.basename(each) for each in line.sources]
    if any(shutil.which(name, path=search_path) for name in names):
        return _linked(line, names, step)
    found = {name: path for name in names if (path := _elsewhere(name))}
    if len(found) < len(names):
        return _linked(line, names, step)  # the image may have it, or the step says what is missing
    files = tuple(
        CopiedFile((name,), LocalFile(f"/{name}", FileOnDisk(Path(path)), 0o755))
        for name, path in found.items()
    )
    return CopyStep(files, line.placing if len(names) == 1 else line.several)


def _elsewhere(name: str) -> str:
    """A program of uv that no view of this machine shows, as in a home; empty if there is none."""
    folders = [os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")]
    return shutil.which(name, path=os.pathsep.join(folders)) or ""


def _linked(line: CopyLine, names: list[str], step: RunStep) -> RunStep:
    """A step that makes the uv in the image known at another place too."""
    target = line.target
    inside = len(names) > 1 or target.endswith(("/", "/.")) or target == "."
    script = [
        f"from=$(command -v {name}) || {{ echo {shlex.quote(NO_UV)} >&2; exit 1; }}; "
        f'to=$into; if {"true" if inside else "false"} || [ -d "$to" ]; then to=$to/{name}; '
        'fi; mkdir -p "$(dirname "$to")"; [ "$from" -ef "$to" ] || ln -sfn "$from" "$to"'
        for name in names
    ]
    script.insert(0, f"set -e; into={shlex.quote(line.placing.target)}")
    return RunStep(
        ("/bin/sh", "-c", "; ".join(script)),
        step.env,
        step.secrets,
        step.secrets_digest,
        proxies=step.proxies,
    )
