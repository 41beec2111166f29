"""What Modal's client remembers in a process: its connection, its settings, what it looked up."""

from __future__ import annotations

import sys
import weakref
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Modules that hold the environments which a client has looked up; it depends on the release.
_ENVIRONMENTS = ("modal.environments", "modal._environments")


@dataclass
class ClientState:
    """The state of `modal` for one server.

    Attributes:
        client: the client that calls use which are not given one; `None` if there is none yet.
        environments: those that were looked up, by name.
        settings: of the user's file, by profile.
    """

    client: Any = None
    environments: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def swap(state: ClientState) -> ClientState:
    """Give `modal` another state; returns the one it had. It has to be imported."""
    client_class = sys.modules["modal.client"]._Client
    before = ClientState(client_class._client_from_env)
    client_class._client_from_env = state.client
    for name in _ENVIRONMENTS:
        cache = getattr(sys.modules.get(name), "ENVIRONMENT_CACHE", None)
        if cache is not None:
            before.environments = _replace(cache, state.environments)
    before.settings = _replace(sys.modules["modal.config"]._user_config, state.settings)
    return before


def _replace(content: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
    """Replace what is in a dict; returns what was."""
    before = dict(content)
    content.clear()
    content.update(by)
    return before


def close(state: ClientState) -> None:
    """Close the connection of a client whose server is about to end."""
    if state.client is None:
        return
    synchronizer = sys.modules["modal._utils.async_utils"].synchronizer

    async def close_client() -> None:
        await state.client._close()

    # Whether its server could be told does not matter: that is about to end.
    with suppress(Exception):
        synchronizer.create_blocking(close_client)()


@contextmanager
def forgetting() -> Iterator[None]:
    """Let images, secrets, volumes, ... forget the ids that a server gives them meanwhile.

    A program has some of them in its modules, as modal has its default image; the next test may
    have another server. An object that needs its id again asks for it.
    """
    object_class = sys.modules["modal._object"]._Object
    hydrate = object_class._hydrate
    hydrated: weakref.WeakSet[Any] = weakref.WeakSet()

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        hydrate(self, *args, **kwargs)
        hydrated.add(self)

    object_class._hydrate = noting
    try:
        yield
    finally:
        object_class._hydrate = hydrate
        for each in hydrated:
            if getattr(each, "_load", None) is not None:
                each._is_hydrated = False
                each._object_id = None
                each._client = None
