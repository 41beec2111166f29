"""The first message to the zygote: how it makes sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.idmap import SHIFT
from ...options import LocalOptions, Mode
from ...protocol.setup import CriuFiles, GpuSource, SetupRequest, SharedTree
from ..machine import ids, memory_shares

if TYPE_CHECKING:
    from ..machine.find_criu import Criu
    from ..machine.host_image import HostImage

#: What one inode may cost besides its contents, to bound the kernel's memory as well.
_BYTES_PER_INODE = 4096


def setup_request(
    mode: Mode, options: LocalOptions, image: HostImage, criu: Criu | None
) -> SetupRequest:
    """How to make sandboxes.

    Args:
        mode: how they are isolated from the machine.
        options: the engine's settings.
        image: what they show of the machine.
        criu: what dumps and restores processes, if that is wanted.
    """
    disk = options.disk or memory_shares.for_disk()
    return SetupRequest(
        rootless=mode in (Mode.SUBORDINATE, Mode.SINGLE),
        first=SHIFT if mode is Mode.SUBORDINATE and ids.is_root_of_machine() else None,
        userns=mode is not Mode.ROOT_PLAIN,
        shift=shift(mode),
        ids=ids.count(mode),
        own_ids=mode is Mode.ROOT_SHIFTED,
        trees=[
            SharedTree(
                path=folder.path,
                source=folder.source,
                layer=folder.layer,
                hidden=list(folder.hidden),
                kept=list(folder.kept),
                shown=folder.shown,
            )
            for folder in image.folders
        ],
        moved=image.moved,
        links=image.links,
        files=image.sources.files,
        more_links=image.sources.links,
        size=disk,
        inodes=max(16384, disk // _BYTES_PER_INODE),
        memory=memory_shares.for_all_sandboxes(),
        criu=None if criu is None else _files(criu),
        gpus=[GpuSource(path=each.path, source=each.source) for each in image.gpus.files],
        gpu_links=dict(image.gpus.links),
        images=image.images,
    )


def shift(mode: Mode) -> int:
    """First id of the machine that sandboxes use; 0 if they use the zygote's own."""
    return SHIFT if mode in (Mode.ROOT_SHIFTED, Mode.ROOT_SHARED) else 0


def _files(criu: Criu) -> CriuFiles:
    return CriuFiles(program=criu.program, loader=criu.loader, libraries=list(criu.libraries))
