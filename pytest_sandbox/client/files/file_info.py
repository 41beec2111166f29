"""Information about a file in a sandbox."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class FileType(Enum):
    """What an entry of a directory is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


@dataclass(frozen=True)
class FileInfo:
    """A file, a directory or a link.

    Attributes:
        name: the last part of its path.
        path: its absolute path.
        type: what it is.
        size: bytes.
        mode: type and permissions, the `st_mode` of inode(7).
        permissions: four octal digits, `"0644"`.
        owner: name of its user, or the number if that has none.
        group: name of its group, likewise.
        modified_time: seconds since the Unix epoch.
        symlink_target: where a link points to; `None` for what is no link.
    """

    name: str
    path: str
    type: FileType
    size: int
    mode: int
    permissions: str
    owner: str
    group: str
    modified_time: float
    symlink_target: str | None = None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.type is FileType.FILE

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.type is FileType.DIRECTORY

    def is_symlink(self) -> bool:
        """Whether it is a link."""
        return self.type is FileType.SYMLINK


def file_info(entry: dict[str, Any]) -> FileInfo:
    """A file as an entry of the filesystem tool's JSON describes it."""
    return FileInfo(
        name=entry["name"],
        path=entry["path"],
        type=FileType(entry["type"]),
        size=entry["size"],
        mode=entry["mode"],
        permissions=entry["permissions"],
        owner=entry["owner"],
        group=entry["group"],
        modified_time=entry["modified_time"],
        symlink_target=entry.get("symlink_target"),
    )
