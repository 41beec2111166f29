"""Whether overlayfs takes a folder as a base: by trying, as no list of file systems is complete.

Some cannot be, such as those that ignore the case of names, or overlays of overlays.
"""

from __future__ import annotations

import os

from ..kernel import mounts, overlayfs


def overlay_refusal(lower: str, stage: str) -> str:
    """Why it does not; empty if it does.

    Args:
        lower: the folder.
        stage: where the stage is put together, with `root` in it to mount at.
    """
    trial = f"{stage}/trial"
    for name in ("", "/upper", "/work"):
        os.mkdir(trial + name)
    try:
        overlayfs.mount(f"{stage}/root", lower, f"{trial}/upper", f"{trial}/work")
    except OSError as error:
        return f"the kernel cannot use it in an overlay: {error.strerror}"
    else:
        mounts.unmount(f"{stage}/root")
        return ""
    finally:
        # overlayfs makes `work/work`, for root alone.
        for folder, _, _ in os.walk(trial, topdown=False):
            os.rmdir(folder)
