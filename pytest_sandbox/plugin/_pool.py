"""While a test runs, the engine is told what the next one will ask for: nothing shows but time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ._create import creation
from ._engine import ENGINE
from ._fakes import is_faked
from ._marker import merged_spec
from ._options import settings
from ._template_copy import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

_NEXT = pytest.StashKey["pytest.Item | None"]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Know what comes."""
    item.stash[_NEXT] = nextitem


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Tell what comes, once this test has its own."""
    result = yield
    coming = item.stash[_NEXT]
    if coming is not None and settings(item.config).pool and not is_faked(coming):
        _prepare(coming)
    return result


def _prepare(item: pytest.Item) -> None:
    client = item.config.stash[ENGINE].connected
    if client is None:  # nobody needed an engine so far
        return
    from pytest_sandbox.client._portal import portal

    # What is wrong with a marker is for its own test to say.
    with contextlib.suppress(Exception, pytest.fail.Exception):
        for spec in _wanted(item):
            _, args, keywords = creation(client, (), spec)
            portal().submit(_hint(client.extensions.prepare.core(*args, **keywords)))


def _wanted(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """What the fixtures of a test will create, as far as that is known."""
    if "sandbox" in getattr(item, "fixturenames", ()):
        spec = {"image": settings(item.config).image, **merged_spec(item)}
        yield {key: value for key, value in spec.items() if key != "name"}
    if TEMPLATES in item.config.stash:
        yield from item.config.stash[TEMPLATES].wanted(item)


async def _hint(prepare: Coroutine[Any, Any, None]) -> None:
    """A hint that comes to nothing is no matter."""
    with contextlib.suppress(Exception):
        await prepare
