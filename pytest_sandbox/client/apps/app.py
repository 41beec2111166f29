"""Apps: names that group sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.apps_pb2 import (
    APP_STATE_DETACHED,
    APP_STATE_EPHEMERAL,
    AppCreateRequest,
    AppGetOrCreateRequest,
)
from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
    OBJECT_CREATION_TYPE_UNSPECIFIED,
)

from ..default_client import default_client
from ..exceptions import InvalidError
from ..handles import optional_address, optional_client_at
from ..logs.log_reader import LogReader
from ..refusals import refused
from ..transport.dual import dual_function
from ..validation import check_name, refuse
from .app_run import AppRun

if TYPE_CHECKING:
    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_NO_FUNCTIONS = "it runs sandboxes only; run a program in one with exec() or run()"


class App:
    """An app. Get one with `App.lookup`, or one for a `with` by `App("name").run()`.

    Args:
        name: of the app.
        tags: refused.
        image: has no effect: it is for functions, which this package does not have.
        secrets: likewise.
        volumes: likewise.
        include_source: likewise.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        tags: dict[str, str] | None = None,
        image: object = None,
        secrets: object = (),
        volumes: object = None,
        include_source: bool = True,
    ) -> None:
        refuse(tags=tags)
        if name is not None:
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

    def run(
        self,
        *,
        name: str | None = None,
        client: BaseClient | None = None,
        detach: bool = False,
        interactive: bool = False,
        environment_name: str | None = None,
    ) -> AppRun[App]:
        """Run it for a `with` or an `async with`, which gives the app.

        Sandboxes that are created with it end with the `with`.

        Args:
            name: shown for it in place of its own.
            client: whose app; the default client's if not given.
            detach: leave its sandboxes running at the end.
            interactive: refused.
            environment_name: the environment it is in, Modal's `main` by default.

        Raises:
            InvalidError: it runs, or was looked up.
        """
        refuse(interactive=interactive)
        request = AppCreateRequest(
            description=name or self._name or "",
            environment_name=environment_name or "",
            app_state=APP_STATE_DETACHED if detach else APP_STATE_EPHEMERAL,
        )
        return AppRun(self, self._bind, request, client)

    def _bind(self, client: BaseClient | None, app_id: str | None) -> None:
        """Begin to run, or end, without an id."""
        if app_id is not None and self._app_id is not None:
            raise InvalidError(f"{self!r} runs already: it has an id")
        self._client, self._app_id = client, app_id

    function = refused("App.function", _NO_FUNCTIONS)
    cls = refused("App.cls", _NO_FUNCTIONS)
    server = refused("App.server", "run the server in a sandbox, and use its tunnels()")
    local_entrypoint = refused("App.local_entrypoint", "call the function of the program itself")
    deploy = refused("App.deploy", "use App.lookup(name, create_if_missing=True)")
    include = refused("App.include", _NO_FUNCTIONS)
    stop = refused("App.stop", "terminate its sandboxes, or use app.run()")
    info = refused("App.info", "it has a name and an app_id")
    stats = refused("App.stats", "ask its sandboxes for their usage()")
    set_tags = refused("App.set_tags", "set tags of sandboxes")
    get_tags = refused("App.get_tags", "set tags of sandboxes")
    get_dashboard_url = refused("App.get_dashboard_url", "there is no dashboard")

    @property
    def logs(self) -> LogReader:
        """What the main processes of its sandboxes have written, with times."""
        return LogReader(self._known)

    async def _known(self) -> tuple[BaseClient, str]:
        if self._client is None or self._app_id is None:
            raise InvalidError(f"{self!r} was not looked up, and does not run")
        return self._client, self._app_id

    @property
    def description(self) -> str | None:
        """Its name."""
        return self._name

    @property
    def name(self) -> str | None:
        """The name of the app."""
        return self._name

    @property
    def app_id(self) -> str | None:
        """The id of the app; `None` until it was looked up, or runs."""
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
