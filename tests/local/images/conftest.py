"""An engine with a store of its own, and an image."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    OciImage,
    Task,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, LocalOptions

from ..layers import (
    blob,
    busybox,
    image,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "images"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(store: Path) -> AsyncIterator[LocalEngine]:
    async with an_engine(store) as engine:
        yield engine


@contextlib.asynccontextmanager
async def an_engine(store: Path, options: LocalOptions | None = None) -> AsyncIterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_SANDBOX_IMAGES", str(store))
        engine = LocalEngine(options)
        await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> OciImage:
    """An image with one program."""
    made = image(blob(tmp_path_factory.mktemp("blobs"), busybox()))
    await engine.unpack(made)
    return made


Make = Callable[..., Awaitable[Task]]


@pytest_asyncio.fixture(loop_scope="module")
async def make(engine: LocalEngine, bare: OciImage) -> AsyncIterator[Make]:
    """Makes sandboxes of an image, that with one program unless another is given."""
    tasks = []

    async def make(made: OciImage | None = None, **more: object) -> Task:
        if made is not None:
            await engine.unpack(made)
        spec = TaskSpec(image=made or bare, **more)  # type: ignore[arg-type]
        tasks.append(await engine.create(spec))
        return tasks[-1]

    yield make
    for task in tasks:
        await task.kill()
