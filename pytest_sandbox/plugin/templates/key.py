"""The cache key of a template: it changes when the snapshot would be another one."""

from __future__ import annotations

import hashlib
import inspect
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sandbox._shared.directories import walk_directories
from pytest_sandbox._shared.image_names import HOST
from pytest_sandbox._shared.real import real_files

from ..options import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from .variant import Variant

#: Changes when the same sources make other images.
_FORMAT = "1"


@real_files()
def cache_key(variant: Variant) -> str:
    """A digest of all that the snapshot is made of.

    Raises:
        ValueError: a value is used whose content is unknown.
        OSError: a file that it depends on cannot be read.
    """
    return _digest(*_parts(variant))


@real_files()
def image_key(config: pytest.Config, image: object) -> str:
    """What the key has besides for an image with a name, unless that is the view of this machine.

    Args:
        config: pytest's; its settings say which image it is, and whether a file pins it.
        image: the image that the template begins with.
    """
    if not isinstance(image, str) or image == HOST:
        return ""
    path = settings(config).engine_options.get("image_lock", "")
    pins = _digest(*_contents(Path(path))) if path and Path(path).exists() else ""
    return f"-{image}-{pins}"


def _parts(variant: Variant) -> Iterator[str]:
    template = variant.template
    directory = Path(template.body.__code__.co_filename).parent
    yield _FORMAT
    yield inspect.getsource(template.body)
    yield _text(template.cache_key, directory)
    yield cache_key(variant.parent) if variant.parent else ""
    for name, value in (*sorted(template.spec.items()), *sorted(variant.given.items())):
        if name == "request":
            name, value = "request.param", getattr(value, "param", None)
        try:
            yield f"{name}={_text(value, directory)}"
        except TypeError as error:
            if not template.cache_key or template.cache_key == ((),):
                raise ValueError(
                    f"cache=True: {name} is {error}, which cannot be compared with that of "
                    "another run; give cache_key= what the image depends on"
                ) from None


def _text(value: object, directory: Path) -> str:
    """A value in full.

    Raises:
        TypeError: its content is unknown; the message is its `repr`.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, Path):
        return _digest(*_contents(directory / value))
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(each, directory) for each in value)}]"
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(_text(each, directory) for each in value))}}}"
    if isinstance(value, dict):
        pairs = sorted((repr(key), _text(each, directory)) for key, each in value.items())
        return repr(pairs)
    raise TypeError(repr(value))


def _contents(path: Path) -> Iterator[str]:
    """The content of a file, or of all files below a directory."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        yield from _entry(path)
        return
    for parent, directories, files in walk_directories(str(path)):
        directories.sort()
        for name in sorted([*directories, *files]):
            each = Path(parent, name)
            yield str(each.relative_to(path))
            yield from _entry(each)


def _entry(path: Path) -> Iterator[str]:
    mode = path.lstat().st_mode
    yield oct(mode)
    if stat.S_ISLNK(mode):
        yield os.readlink(path)
    elif stat.S_ISREG(mode):
        yield hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape")
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()
