"""RUN --mount: what is there while a command runs, and is in no layer.

See "Dockerfile reference" of Docker, section "RUN --mount".
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.words import expand

from .failures import refusal
from .stages import wrong
from .steps import BindMount, CacheMount, TemporaryFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_sandbox._shared.dockerfile.instruction import Instruction

    from .context import BuildContext
    from .steps import Source

_SHORT = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_USUAL = frozenset({"type", "target"})
#: What each kind of mount can have besides.
_KNOWN = {
    "bind": frozenset({"source", "from", "readonly", "readwrite"}),
    "cache": frozenset({"id", "sharing", "readonly", "mode", "uid", "gid"}),
    "tmpfs": frozenset({"size"}),
    "secret": frozenset({"id", "required", "mode", "uid", "gid", "env"}),
}
_SECRETS = PurePosixPath("/run/secrets")
#: The number after it means "no change" to chown(2).
_LAST_ID = 2**32 - 2
_DECIMAL = re.compile("[0-9]{1,10}")
_OCTAL = re.compile("0*[0-7]{1,4}")

Mount = dict[str, str]


def mounts_of(line: Instruction) -> list[Mount]:
    """The mounts of a line, with the long names of what they say.

    Raises:
        ValueError: one makes no sense.
        GRPCError: UNIMPLEMENTED.
    """
    return [_mount(line, value) for name, value in line.flags if name == "mount"]


def _mount(line: Instruction, text: str) -> Mount:
    found: Mount = {"type": "bind"}
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error as error:
        raise wrong(line, error) from None
    for field in fields:
        name, sign, value = field.partition("=")
        name = name.strip().lower()
        found[_SHORT.get(name, name)] = value if sign else "true"
    known = _KNOWN.get(found["type"])
    if known is None:
        raise refusal(line, f"type={found['type']} of a mount must be one of {', '.join(_KNOWN)}")
    if other := found.keys() - known - _USUAL:
        has = ", ".join(sorted(known | _USUAL))
        raise refusal(line, f"a mount of type={found['type']} has no {min(other)!r}, but {has}")
    return found


def _owner(mount: Mount) -> tuple[int, int]:
    return _id(mount, "uid"), _id(mount, "gid")


def _id(mount: Mount, name: str) -> int:
    value = mount.get(name, "0")
    if not _DECIMAL.fullmatch(value) or int(value) > _LAST_ID:
        raise ValueError(f"{name}={value} must be a number from 0 to {_LAST_ID}")
    return int(value)


def _mode(mount: Mount, default: str = "") -> int:
    value = mount.get("mode", default)
    if not _OCTAL.fullmatch(value):
        raise ValueError(f"mode={value} must be an octal number up to 7777")
    return int(value, 8)


class RunMounts:
    """The mounts of one command.

    Args:
        context: files of the build.
        sources: other images, by their references.
        secrets: variables of the step, which are its secrets.
        variables: for substitution.
        workdir: where the command starts.

    Attributes:
        caches, binds, empty, secret_files, env: see `RunStep`.
    """

    def __init__(
        self,
        context: BuildContext,
        sources: Mapping[str, Source],
        secrets: Mapping[str, str],
        variables: Mapping[str, str],
        workdir: str,
    ) -> None:
        self._context = context
        self._sources = sources
        self._secrets = secrets
        self._variables = variables
        self._workdir = PurePosixPath(workdir)
        self.caches: list[CacheMount] = []
        self.binds: list[BindMount] = []
        self.empty: list[str] = []
        self.secret_files: list[TemporaryFile] = []
        self.env: dict[str, str] = {}

    def add(self, mounts: Iterable[Mount]) -> None:
        """Read mounts.

        Raises:
            ValueError: one makes no sense.
        """
        for each in mounts:
            mount = {
                name: value if name in ("type", "from") else expand(value, self._variables)
                for name, value in each.items()
            }
            getattr(self, f"_add_{mount['type']}")(mount)

    def _add_bind(self, mount: Mount) -> None:
        path, source = self._target(mount), mount.get("source", "")
        if mount.get("from"):
            image = self._sources[mount["from"]]
            self.binds.append(BindMount(path, image=image, source="/" + source.lstrip("/")))
            return
        files, single = self._context.select(source, by="RUN --mount=type=bind")
        self.binds.append(BindMount(path, tuple(files), single))

    def _add_cache(self, mount: Mount) -> None:
        path = self._target(mount)
        sharing = mount.get("sharing", "shared")
        if sharing not in ("shared", "private", "locked"):
            raise ValueError(f"sharing={sharing} must be shared, private or locked")
        name = hashlib.sha256((mount.get("id") or path).encode("utf-8", "replace")).hexdigest()
        owner = None
        if "uid" in mount or "gid" in mount:
            owner = _owner(mount)
        mode = _mode(mount) if "mode" in mount else None
        only_read = mount.get("readonly", "false") == "true"
        shared = sharing == "shared"
        self.caches.append(
            CacheMount(path, f"build-cache-{name[:32]}", shared, only_read, owner, mode)
        )

    def _add_tmpfs(self, mount: Mount) -> None:
        self.empty.append(self._target(mount))

    def _add_secret(self, mount: Mount) -> None:
        name = mount.get("id") or PurePosixPath(mount.get("target", "")).name
        if not name:
            raise ValueError("a secret needs an id")
        mode, owner = _mode(mount, "400"), _owner(mount)
        value = self._secrets.get(name)
        if value is None:
            if mount.get("required", "false") == "true":
                raise ValueError(
                    f"there is no secret {name!r}: give one that has a variable of this name"
                )
            return
        if "env" in mount:
            self.env[mount["env"]] = value
        if "target" in mount or "env" not in mount:
            path = os.path.normpath(self._workdir / mount.get("target", str(_SECRETS / name)))
            content = value.encode("utf-8", "surrogateescape")
            self.secret_files.append(TemporaryFile(path, content, mode, owner))

    def _target(self, mount: Mount) -> str:
        if not mount.get("target"):
            raise ValueError(f"a mount of type={mount['type']} needs a target")
        return str(self._workdir / mount["target"])
