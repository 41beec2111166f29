"""The uv of this machine, which stands in for the image that Dockerfiles copy it from."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.local_files import LocalFile
from ..registries.standalone_python import FileOnDisk
from ..volumes.uploads import Upload
from .context import CopiedFile
from .failures import NO_UV
from .steps import CopyStep, RunStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .build_input import BuildInput
    from .copies import CopyLine

_NAMES = ("uv", "uvx")
_PROGRAMS = frozenset({*_NAMES, *(f"/{name}" for name in _NAMES)})
#: What the log of a build says of it, after the line.
STANDS_IN = "   (the uv of this machine)"


def is_of_uv(line: CopyLine) -> bool:
    """Whether it copies nothing but programs of uv."""
    return set(line.sources) <= _PROGRAMS


async def uv_programs(around: BuildInput) -> Mapping[str, LocalFile]:
    """The programs of uv that are copied into images, by name: those that no image shows.

    Args:
        around: what a definition is read with.
    """
    if around.one_image:
        return {name: _placeholder(name) for name in _NAMES}
    return await asyncio.to_thread(_elsewhere, around.search_path)  # it reads all of them


def take_uv(line: CopyLine, step: RunStep, programs: Mapping[str, LocalFile]) -> RunStep | CopyStep:
    """A step that has uv of this machine where a line copies it to.

    Args:
        line: with COPY.
        step: as which a command would be run.
        programs: those that can be copied, by name.
    """
    names = [os.path.basename(each) for each in line.sources]
    if not programs.keys() >= set(names):
        return _linked(line, names, step)  # the image may have it, or the step says what is missing
    files = tuple(CopiedFile((name,), programs[name]) for name in dict.fromkeys(names))
    return CopyStep(files, line.placing if len(names) == 1 else line.several)


def _elsewhere(search_path: str) -> dict[str, LocalFile]:
    """The programs that no view of this machine shows, as those in a home."""
    folders = [os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")]
    found = {
        name: shutil.which(name, path=os.pathsep.join(folders))
        for name in _NAMES
        if shutil.which(name, path=search_path) is None
    }
    return {
        name: LocalFile(f"/{name}", FileOnDisk(Path(path)), 0o755)
        for name, path in found.items()
        if path is not None
    }


def _placeholder(name: str) -> LocalFile:
    """What stands for a program where none runs: it is the command that a test scripts.

    Its own place may be in `PATH`, and it must not run itself.
    """
    upload = Upload()
    upload.write(f'#!/bin/sh\nPATH=/dev/null exec {name} "$@"\n'.encode())
    return LocalFile(f"/{name}", upload, 0o755)


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
