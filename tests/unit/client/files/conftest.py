"""One sandbox for all tests of a module, with a directory that each finds empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.client import Client, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def machine(client: Client) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(client=client)
    yield sandbox
    sandbox.terminate()


@pytest.fixture
def sandbox(machine: Sandbox) -> Iterator[Sandbox]:
    """A sandbox in which `/srv/t` is an empty directory."""
    machine.filesystem.make_directory("/srv/t")
    yield machine
    machine.filesystem.remove("/srv/t", recursive=True)
