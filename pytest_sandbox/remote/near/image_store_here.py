"""The store of images of this machine, for engines whose sandboxes are on others."""

from __future__ import annotations

import os

from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.images import ImageError, ImageStore


class ImageStoreHere:
    """Where layers of images are on this machine before they are sent; opened when needed."""

    def __init__(self) -> None:
        self._store: ImageStore | None = None

    @property
    def store(self) -> ImageStore:
        """The store.

        Raises:
            EngineUnavailable: the environment names one that cannot be.
        """
        if self._store is None:
            try:
                self._store = ImageStore.of_environment(os.environ)
            except ImageError as error:
                raise EngineUnavailable(str(error)) from error
        return self._store

    def close(self) -> None:
        """Close it, if it was opened."""
        if self._store is not None:
            self._store.close()
            self._store = None
