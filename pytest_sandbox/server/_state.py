"""What the server knows: its engine, and every object a client has an id of."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox.engine import Clock, Engine, EngineInfo

from ._auth import RouterTokens
from ._box import Box
from ._errors import not_found
from ._ids import new_id
from ._result import TERMINATED
from ._retention import Retention

#: A version of Modal's image builder that clients from 1.0 to the newest know.
IMAGE_BUILDER_VERSION = "2025.06"
DEFAULT_ENVIRONMENT = "main"

#: Finished sandboxes that stay readable, the newest ones, and the bytes of output they may hold.
FINISHED_SANDBOXES = 1000
FINISHED_BYTES = 256 * 1024 * 1024

#: Secrets kept that belong to nothing: older clients make one for each command with variables.
PASSING_SECRETS = 10_000


@dataclass(eq=False)
class App:
    """An app; `state` is a value of `AppState`."""

    id: str
    name: str
    environment: str
    state: apps_pb2.AppState
    created_at: float


@dataclass(frozen=True)
class Image:
    """An image: the engine's name for it, and what a sandbox takes from it by default."""

    id: str
    engine_image: str = "host"
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secret:
    """Environment variables under an id, and maybe a name."""

    id: str
    name: str
    environment: str
    env: Mapping[str, str]
    created_at: float


class State:
    """The registries, and the few rules that span them."""

    def __init__(self, engine: Engine, info: EngineInfo) -> None:
        self.engine = engine
        self.info = info
        self.tokens = RouterTokens()
        #: A TLS address of the router and a plain one, for clients over TCP.
        self.router_tls_url: str | None = None
        self.router_plain_authority: str | None = None
        self.environments: dict[str, str] = {}
        self.images: dict[str, Image] = {}
        self._secrets: dict[str, Secret] = {}
        self._passing_secrets: OrderedDict[str, Secret] = OrderedDict()
        self.sandboxes: dict[str, Box] = {}
        self.tasks: dict[str, Box] = {}
        self._apps: dict[str, App] = {}
        self._named: dict[tuple[str, str], Box] = {}  # app id, name -> running sandbox
        self._finished = Retention(FINISHED_SANDBOXES, FINISHED_BYTES, self._forget)
        self._last_creation = 0.0
        self.environment_id(DEFAULT_ENVIRONMENT)

    @property
    def clock(self) -> Clock:
        """The engine's clock."""
        return self.engine.clock

    def creation_time(self) -> float:
        """Now, and later than every time given before: lists are paged by it."""
        self._last_creation = max(self.clock.now(), self._last_creation + 1e-6)
        return self._last_creation

    # Environments and apps

    def environment_name(self, name: str) -> str:
        """The name of an environment as given by a client, where none means the default."""
        return name or DEFAULT_ENVIRONMENT

    def environment_id(self, name: str) -> str:
        """The id of an environment, which is made if need be."""
        return self.environments.setdefault(name, new_id("en"))

    def known_environment(self, name: str) -> str:
        """The same as `environment_name`, of an environment that exists.

        Raises:
            GRPCError: NOT_FOUND.
        """
        name = self.environment_name(name)
        if name not in self.environments:
            raise not_found("Environment", name)
        return name

    def add_app(self, name: str, environment: str, state: apps_pb2.AppState) -> App:
        """Register a new app."""
        app = App(new_id("ap"), name, environment, state, self.clock.now())
        self._apps[app.id] = app
        return app

    def app(self, app_id: str) -> App:
        """An app by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self._apps[app_id]
        except KeyError:
            raise not_found("App", app_id) from None

    def app_by_name(self, environment: str, name: str) -> App | None:
        """The deployed app of that name."""
        for app in self._apps.values():
            if (app.environment, app.name, app.state) == (
                environment,
                name,
                apps_pb2.APP_STATE_DEPLOYED,
            ):
                return app
        return None

    async def end_sandboxes_of(self, app: App) -> None:
        """End every running sandbox of an app."""
        running = [box for box in self.sandboxes.values() if box.app_id == app.id]
        await asyncio.gather(*(box.end(TERMINATED) for box in running))

    # Images and secrets

    def image(self, image_id: str) -> Image:
        """An image by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self.images[image_id]
        except KeyError:
            raise not_found("Image", image_id) from None

    def secret(self, secret_id: str) -> Secret:
        """A secret by id.

        Raises:
            GRPCError: NOT_FOUND.
        """
        secret = self._secrets.get(secret_id)
        if secret is None:
            secret = self._passing_secrets.get(secret_id)
            if secret is None:
                raise not_found("Secret", secret_id)
            self._passing_secrets.move_to_end(secret_id)
        return secret

    def add_secret(self, secret: Secret, *, passing: bool) -> None:
        """Register a secret; a `passing` one until enough others were used after it."""
        (self._passing_secrets if passing else self._secrets)[secret.id] = secret
        if len(self._passing_secrets) > PASSING_SECRETS:
            self._passing_secrets.popitem(last=False)

    def environment_of(self, secret_ids: Iterable[str]) -> dict[str, str]:
        """The variables of several secrets; a later one wins."""
        env: dict[str, str] = {}
        for secret_id in secret_ids:
            env.update(self.secret(secret_id).env)
        return env

    # Sandboxes

    def add_box(self, box: Box) -> None:
        """Register a sandbox, and what happens to it at its end."""
        self.sandboxes[box.id] = self.tasks[box.task_id] = box
        if box.name:
            self._named[box.app_id, box.name] = box
        box.on_end = self._ended

    def box(self, sandbox_id: str) -> Box:
        """A sandbox by id, running or finished.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self.sandboxes[sandbox_id]
        except KeyError:
            raise not_found("Sandbox", sandbox_id) from None

    def box_by_name(self, app_id: str, name: str) -> Box | None:
        """The running sandbox of that name."""
        return self._named.get((app_id, name))

    def box_of_task(self, task_id: str) -> Box:
        """The sandbox that a task belongs to, running or finished.

        Raises:
            GRPCError: NOT_FOUND.
        """
        try:
            return self.tasks[task_id]
        except KeyError:
            raise not_found("Task", task_id) from None

    def sandbox_of_task(self, task_id: str) -> str:
        """The id of the sandbox that a task belongs to; empty if it is not known."""
        box = self.tasks.get(task_id)
        return box.id if box is not None else ""

    def running(self) -> int:
        """How many sandboxes are running."""
        return sum(1 for box in self.sandboxes.values() if box.result is None)

    def _ended(self, box: Box) -> None:
        if self._named.get((box.app_id, box.name)) is box:
            del self._named[box.app_id, box.name]
        self._finished.add(box, box.output_bytes())

    def _forget(self, box: Box) -> None:
        del self.sandboxes[box.id], self.tasks[box.task_id]
        self.tokens.forget(box.router_token)
        box.discard()
