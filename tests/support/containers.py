"""What containers of these tests are made of: the machine's files and this Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Options of `podman run`. By default it raises limits to those of the machine, which takes
#: CAP_SYS_RESOURCE; and no test needs the network.
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096", "--network=none")


def make_root(folder: Path) -> None:
    """Fill a folder with the directories and links of a root file system without `/usr`."""
    for name in ("dev", "etc", "home", "opt/bin", "proc", "root", "run", "src", "sys", "usr"):
        (folder / name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        (folder / name).mkdir(parents=True)
        (folder / name).chmod(0o1777)
    for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        if os.path.islink(f"/{name}"):
            (folder / name).symlink_to(os.readlink(f"/{name}"))
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\n")


def volumes() -> list[str]:
    """Options of `podman run` and `podman build`: `/usr`, this Python and this checkout."""
    shown = dict.fromkeys(["/usr", sys.base_prefix, sys.prefix, str(ROOT)])
    return [f"--volume={path}:{path}:ro" for path in shown]
