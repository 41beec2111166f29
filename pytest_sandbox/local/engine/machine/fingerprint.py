"""Telling whether the `host` image has changed since a snapshot of an earlier run.

To read all its bytes would take minutes. So the digest is over what changes with it: the databases
of package managers, and the times of folders into which people install things by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
from typing import TYPE_CHECKING

from ...zygote.skeleton import ETC

if TYPE_CHECKING:
    from ...options import Mode
    from .host_image import HostImage

#: Changes when images of an earlier version of this package mean something else now.
_VERSION = 1
#: What package managers write whenever they change anything.
_PACKAGES = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
    "/var/lib/pacman/local",
)
_FOLDERS = ("/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib")


def fingerprint(image: HostImage, mode: Mode) -> str:
    """A digest of what the image is made of here, and how."""
    paths = [*_PACKAGES, *_FOLDERS, *sorted(f"/etc/{name}" for name in {*ETC, "passwd", "group"})]
    paths += [sys.executable, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    made_of = [
        *(_VERSION, mode.value, sys.version, sys.prefix, sys.base_prefix),
        [(each.path, each.layer) for each in image.folders if each.shown != "with project"],
        *(image.moved, image.links, [_stamp(path) for path in paths]),
        image.sources.files,
    ]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def _stamp(path: str) -> list[int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return [info.st_mode, info.st_size, info.st_mtime_ns]
