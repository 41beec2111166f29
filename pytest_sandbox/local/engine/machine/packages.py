"""The package database of this machine: what apt and dpkg need besides what the `host` image shows.

It is not part of that image, since it has thousands of files; builds whose steps use it get a copy.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from pytest_sandbox._shared.tar.header import padding
from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.writer import END, write

from ...zygote import skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator

_DPKG = "var/lib/dpkg"
#: What the database has of files and directories; the rest are locks, and copies of before.
_NAMES = ("arch", "diversions", "statoverride", "status", "alternatives", "info", "triggers")
#: Only for `dpkg --verify`, and half of all bytes.
_UNNEEDED = ".md5sums"
#: Where apt downloads to as its own user.
_FOR_APT = ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial")
#: What dpkg, apt and debconf write to.
_EMPTY = (f"{_DPKG}/updates", f"{_DPKG}/parts", "var/log/apt", "var/cache/debconf")
#: What makes packages ask no questions, as in Modal's image: debconf(7).
_NO_QUESTIONS = {
    "config.dat": (
        "Template: debconf/frontend\nValue: Noninteractive\nOwners: debconf\nFlags: seen\n"
    ),
    "templates.dat": "Type: select\nDescription: Interface to use:\nOwners: debconf/frontend\n",
}
#: Directories in the lists of a package's files. Others below `/var` are of the sandbox.
_DIRECTORIES = re.compile(rb"^/(var/(?:cache|lib|log|spool)/.+)$", re.MULTILINE)
#: Keeps packages from starting their services in a build: invoke-rc.d(8).
_NO_SERVICES = ("usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n")
_LARGEST = 64 * 1024 * 1024


class Packages:
    """The packages of a machine.

    Args:
        own_programs: whether sandboxes can change `/usr`.
        root: the root directory of the machine.
    """

    def __init__(self, *, own_programs: bool, root: str = "/") -> None:
        self._root = root
        self._own_programs = own_programs

    @property
    def there(self) -> bool:
        """Whether it has a package database of dpkg."""
        return all(os.path.isfile(self._path(name)) for name in (f"{_DPKG}/status", "usr/bin/dpkg"))

    def tar(self) -> bytes:
        """The database as a tar, relative to the root directory."""
        return b"".join(self._tar())

    def hidden_settings(self) -> list[str]:
        """Settings of apt that sandboxes do not see, by their paths."""
        return [f"/{name}" for name in self._hidden("etc/apt")]

    def _tar(self) -> Iterator[bytes]:
        directories = dict.fromkeys(_EMPTY)
        for member, content in self._database():
            yield from _written(member, content)
            if member.name.endswith(".list"):
                found = _DIRECTORIES.findall(content)
                directories.update(dict.fromkeys(map(os.fsdecode, found)))
        for name in sorted(directories):
            if (made := self._directory(name)) is not None:
                yield from _written(made)
        uid = self._user_of_apt()
        for name in _FOR_APT:
            yield from _written(Member(name, MemberKind.DIRECTORY, mode=0o700, uid=uid))
        for name, text in _NO_QUESTIONS.items():
            member = Member(f"var/cache/debconf/{name}", MemberKind.FILE)
            yield from _written(member, f"Name: debconf/frontend\n{text}\n".encode())
        name, content = _NO_SERVICES
        if self._own_programs and not os.path.lexists(self._path(name)):
            yield from _written(Member(name, MemberKind.FILE, mode=0o755), content)
        yield END

    def _database(self) -> Iterator[tuple[Member, bytes]]:
        for name in _NAMES:
            path = f"{_DPKG}/{name}"
            if os.path.isdir(self._path(path)):
                yield Member(path, MemberKind.DIRECTORY, mode=0o755), b""
                files = sorted(os.listdir(self._path(path)))
                names = [f"{path}/{each}" for each in files if not each.endswith(_UNNEEDED)]
            else:
                names = [path]
            for each in names:
                content = self._content(each)
                if content is not None:
                    yield content

    def _content(self, name: str) -> tuple[Member, bytes] | None:
        """A file that everybody may read; `None` for others, and what a package manager removes."""
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or not info.st_mode & 0o004:
                return None
            member = Member(
                *(name, MemberKind.FILE), mode=info.st_mode & 0o755, mtime_ns=info.st_mtime_ns
            )
            return member, file.read(_LARGEST)

    def _directory(self, name: str) -> Member | None:
        """A directory as it is on the machine, without what is in it."""
        try:
            info = os.lstat(self._path(name))
        except OSError:
            return Member(name, MemberKind.DIRECTORY, mode=0o755) if name in _EMPTY else None
        if not stat.S_ISDIR(info.st_mode):
            return None
        return Member(
            *(name, MemberKind.DIRECTORY),
            mode=info.st_mode & 0o7777,
            uid=info.st_uid,
            gid=info.st_gid,
        )

    def _user_of_apt(self) -> int:
        """The user that apt downloads as; root if there is none."""
        for line in (self._content("etc/passwd") or (None, b""))[1].splitlines():
            fields = line.split(b":")
            if fields[0] == b"_apt" and len(fields) > 2 and fields[2].isdigit():
                return int(fields[2])
        return 0

    def _hidden(self, folder: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(self._path(folder)))
        except OSError:
            return
        for each in names:
            name = f"{folder}/{each}"
            if os.path.isdir(self._path(name)):
                inside = list(self._hidden(name))
                # An empty one, as `auth.conf.d` mostly is, hides nothing.
                if inside and skeleton.is_secret_name(each):
                    yield name
                else:
                    yield from inside
            elif not os.path.islink(self._path(name)) and self._is_hidden(name, each):
                yield name

    def _is_hidden(self, path: str, name: str) -> bool:
        content = self._content(path)
        hidden = skeleton.is_secret_name(name) or skeleton.is_secret_name(path.split("/")[-2])
        return hidden or content is None or skeleton.has_secret(content[1], of_apt=True)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)


def _written(member: Member, content: bytes = b"") -> Iterator[bytes]:
    member.size = len(content)
    member.extents = [(0, len(content))] if content else []
    yield from write(member)
    yield content
    yield bytes(padding(len(content)))
