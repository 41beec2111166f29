"""A registry and a store for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.images import ImageStore

from .registry import Registry, running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running() as registry:
        yield registry
