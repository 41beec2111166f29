"""Which of the files that GPUs need have to be mounted, as they do not show in sandboxes anyhow."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..machine.host_folder import is_below, mounts_in
from .cdi import BadSpecification, find_cdi
from .driver_files import find_driver
from .found import COMPUTE_NODE, FoundGpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..machine.host_folder import HostFolder
    from .found import GpuFile


def find_gpus(folders: Sequence[HostFolder]) -> FoundGpus:
    """What sandboxes with GPUs need besides the folders of the machine that they show.

    Args:
        folders: those.
    """
    try:
        found = find_cdi() or find_driver()
    except BadSpecification as error:
        return FoundGpus(missing=f"the CDI specification cannot be used: {error}")
    except OSError as error:
        return FoundGpus(missing=f"what they need cannot be found: {error}")
    if found.missing:
        return found
    # A container that got a GPU has single files mounted over its own. An overlay does not show
    # what is mounted below its lower directories.
    mounted = set(mounts_in("/"))
    common = tuple(file for file in found.common if not _shows(file, folders, mounted))
    if all(COMPUTE_NODE.fullmatch(file.path) for file in common):
        # All libraries are where the machine has them, and in the copy of its ld.so.cache.
        found = replace(found, env=_without_search(found), links={})
    return replace(found, common=common)


def _without_search(found: FoundGpus) -> dict[str, str]:
    return {name: value for name, value in found.env.items() if name != "LD_LIBRARY_PATH"}


def _shows(file: GpuFile, folders: Sequence[HostFolder], mounted: set[str]) -> bool:
    source, path = os.path.realpath(file.source), os.path.realpath(file.path)
    return source == path and any(
        folder.path == folder.source
        and is_below(path, folder.source)
        and not any(is_below(path, f"{folder.source}/{hidden}") for hidden in folder.hidden)
        and (folder.layer == "never" or path not in mounted)
        for folder in folders
    )
