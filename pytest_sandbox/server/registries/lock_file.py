"""`sandbox-image.lock`: which digest each tag of a project means, so that runs stay the same."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING

from pytest_sandbox.images import ImageNotFound, Reference
from pytest_sandbox.images.digests import is_digest

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = 1


class LockFile:
    """The file of a project. Threads share it.

    Args:
        path: of the file.
        update: whether tags are looked up anew and written to it, once in a run; else one that it
            does not have is refused.
    """

    def __init__(self, path: Path, *, update: bool) -> None:
        self._path = path
        self._update = update
        self._known: dict[str, str] | None = None
        self._mutex = threading.Lock()

    def pin(self, reference: Reference) -> Reference:
        """The reference with its digest; without one if `learn` is to be told which it is.

        Raises:
            ImageNotFound: the file does not have the tag, or cannot be read.
        """
        if reference.digest:
            return reference
        with self._mutex:
            known = self._read()
        if str(reference) in known:
            return reference.pinned(known[str(reference)])
        if self._update:
            return reference
        raise ImageNotFound(
            f"{reference} is not in {str(self._path)!r}, which pins images by digest: run once "
            "with --sandbox-image-lock=update, and commit the file"
        )

    def learn(self, reference: Reference, digest: str) -> None:
        """Write down what a tag means, if the file is to be updated.

        Raises:
            OSError: it cannot be written.
        """
        if reference.digest or not self._update:
            return
        with self._mutex:
            known = self._read()
            if known.get(str(reference)) == digest:
                return
            known[str(reference)] = digest
            images = {**_images(self._path), **known}
            text = json.dumps({"version": _VERSION, "images": images}, indent=2, sort_keys=True)
            fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
            fresh.write_text(f"{text}\n")
            os.replace(fresh, self._path)

    def _read(self) -> dict[str, str]:
        """The pins that count: none at first if they are to be looked up anew."""
        if self._known is None:
            self._known = {} if self._update else _images(self._path)
        return self._known


def _images(path: Path) -> dict[str, str]:
    with contextlib.suppress(FileNotFoundError):
        try:
            images = json.loads(path.read_bytes())["images"]
            if all(isinstance(name, str) and is_digest(pin) for name, pin in images.items()):
                return dict(images)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FileNotFoundError):
                raise
        raise ImageNotFound(
            f"{str(path)!r} cannot be read as a file that pins images by digest: restore it, or "
            "remove it and run with --sandbox-image-lock=update"
        )
    return {}
