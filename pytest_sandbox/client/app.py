"""Apps: names that group sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
    OBJECT_CREATION_TYPE_UNSPECIFIED,
)

from .default_client import default_client
from .handles import optional_address, optional_client_at
from .transport.dual import dual_function
from .validation import check_name

if TYPE_CHECKING:
    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class App:
    """An app. Get one with `App.lookup`.

    Args:
        name: of the app.
    """

    def __init__(self, name: str) -> None:
        check_name(name, "App")
        self._name = name
        self._app_id: str | None = None
        self._client: BaseClient | None = None

    @staticmethod
    @dual_function
    async def lookup(
        name: str,
        *,
        client: BaseClient | None = None,
        environment_name: str | None = None,
        create_if_missing: bool = False,
    ) -> App:
        """Find an app by its name.

        Args:
            name: of the app: at most 64 letters, digits, dashes, periods and underscores.
            client: whose app; the default client's if not given.
            environment_name: the environment it is in, Modal's `main` by default.
            create_if_missing: create it if there is none.

        Raises:
            InvalidError: the name has another shape.
            NotFoundError: there is none, and none is to be created.
        """
        app = App(name)
        app._client = client = client or await default_client()
        create = OBJECT_CREATION_TYPE_CREATE_IF_MISSING
        request = AppGetOrCreateRequest(
            app_name=name,
            environment_name=environment_name or "",
            object_creation_type=create if create_if_missing else OBJECT_CREATION_TYPE_UNSPECIFIED,
        )
        response = await client.calls.control(lambda link: link.control.AppGetOrCreate, request)
        app._app_id = response.app_id
        return app

    @property
    def name(self) -> str | None:
        """The name of the app."""
        return self._name

    @property
    def app_id(self) -> str | None:
        """The id of the app; `None` until it was looked up."""
        return self._app_id

    @property
    def client(self) -> BaseClient | None:
        """The client that it was looked up with; `None` until then."""
        return self._client

    def __reduce__(self) -> tuple[Any, ...]:
        return App, (self._name,), (self._app_id, optional_address(self._client, self))

    def __setstate__(self, state: tuple[str | None, str]) -> None:
        self._app_id = state[0]
        self._client = optional_client_at(state[1])

    def __repr__(self) -> str:
        return f"App({self._name!r}, app_id={self._app_id!r})"
