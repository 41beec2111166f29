"""What every sandbox has whose root is made of an image, whatever the image has.

Two lower layers, over those of the image and under them. Container engines, too, mount files of
their own over those that an image has about the names of hosts.
"""

from __future__ import annotations

import os

from ..skeleton import FOLDERS_OF_KERNEL, HOST_FILES, LINKS_TO_KERNEL, make_file, make_folder

#: Where programs expect to be able to write.
_FOLDERS = {"etc": 0o755, "root": 0o755, "tmp": 0o1777}


def build(root: str, devices: tuple[str, ...]) -> None:
    """Make both below an empty directory.

    Args:
        root: the directory.
        devices: names in `/dev` that will be mounted over.
    """
    over, under = f"{root}/over", f"{root}/under"
    for folder in (over, f"{over}/etc", under):
        make_folder(folder, 0o755)
    for name, text in HOST_FILES.items():
        make_file(f"{over}/{name}", text.encode(), 0o644)
    for name, mode in {**FOLDERS_OF_KERNEL, **_FOLDERS}.items():
        make_folder(f"{under}/{name}", mode)
    for name in devices:
        make_file(f"{under}/dev/{name}", b"", 0o666)
    for name, target in LINKS_TO_KERNEL.items():
        os.symlink(target, f"{under}/{name}")
