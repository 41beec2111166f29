"""What a client has an id of: apps and environments, secrets, sandboxes.

What is asked for and not there is `NOT_FOUND`, by every method that does not say otherwise.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox.engine import Clock

from ..rpc.errors import not_found
from .ids import Ids
from .retention import Retention
from .sandbox import Box

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


class AppRegistry:
    """Environments, and the apps in them."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._environments = {DEFAULT_ENVIRONMENT: ids.new("en")}
        self._apps: dict[str, App] = {}

    def has_environment(self, name: str) -> bool:
        """Whether there is an environment of that name; no name means the default one."""
        return (name or DEFAULT_ENVIRONMENT) in self._environments

    def environment(self, name: str) -> str:
        """The name of an environment that exists; no name means the default one."""
        name = name or DEFAULT_ENVIRONMENT
        if name not in self._environments:
            raise not_found("Environment", name)
        return name

    def environment_id(self, name: str) -> str:
        """The id of an environment, which is made if need be."""
        return self._environments.setdefault(name or DEFAULT_ENVIRONMENT, self._ids.new("en"))

    def add(self, name: str, environment: str, state: apps_pb2.AppState) -> App:
        """Register a new app."""
        app = App(self._ids.new("ap"), name, environment, state, self._clock.now())
        self._apps[app.id] = app
        return app

    def get(self, app_id: str) -> App:
        """An app by id."""
        try:
            return self._apps[app_id]
        except KeyError:
            raise not_found("App", app_id) from None

    def deployed(self, environment: str, name: str) -> App | None:
        """The deployed app of that name, if there is one."""
        wanted = (environment, name, apps_pb2.APP_STATE_DEPLOYED)
        apps = self._apps.values()
        return next((app for app in apps if (app.environment, app.name, app.state) == wanted), None)


@dataclass(frozen=True)
class Secret:
    """Environment variables under an id, and maybe a name."""

    id: str
    name: str
    environment: str
    env: Mapping[str, str]
    created_at: float


class SecretRegistry:
    """Secrets."""

    def __init__(self) -> None:
        self._kept: dict[str, Secret] = {}
        self._passing: OrderedDict[str, Secret] = OrderedDict()
        self._named: dict[tuple[str, str], Secret] = {}

    def add(self, secret: Secret, *, passing: bool = False) -> None:
        """Register a secret; a `passing` one until enough others were used after it."""
        (self._passing if passing else self._kept)[secret.id] = secret
        if secret.name:
            self._named[secret.environment, secret.name] = secret
        if len(self._passing) > PASSING_SECRETS:
            self._passing.popitem(last=False)

    def get(self, secret_id: str) -> Secret:
        """A secret by id."""
        secret = self._kept.get(secret_id) or self._passing.get(secret_id)
        if secret is None:
            raise not_found("Secret", secret_id)
        if secret_id in self._passing:
            self._passing.move_to_end(secret_id)
        return secret

    def named(self, environment: str, name: str) -> Secret | None:
        """The secret of that name, if there is one."""
        return self._named.get((environment, name))

    def variables(self, secret_ids: Iterable[str]) -> dict[str, str]:
        """The variables of several secrets; a later one wins."""
        env: dict[str, str] = {}
        for secret_id in secret_ids:
            env.update(self.get(secret_id).env)
        return env


class BoxRegistry:
    """Sandboxes, running and finished."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boxes: dict[str, Box] = {}
        self._by_task: dict[str, Box] = {}
        self._named: dict[tuple[str, str], Box] = {}  # app id, name -> running sandbox
        self._finished = Retention(FINISHED_SANDBOXES, FINISHED_BYTES, self._forget)
        self._last_creation = 0.0

    def creation_time(self) -> float:
        """Now, and later than every time given before: lists are paged by it."""
        self._last_creation = max(self._clock.now(), self._last_creation + 1e-6)
        return self._last_creation

    def add(self, box: Box) -> None:
        """Register a sandbox; a finished one is kept until newer ones need the room."""
        self._boxes[box.id] = self._by_task[box.task_id] = box
        if box.name:
            self._named[box.app_id, box.name] = box
        box.on_end = self._ended

    def get(self, sandbox_id: str) -> Box:
        """A sandbox by id."""
        try:
            return self._boxes[sandbox_id]
        except KeyError:
            raise not_found("Sandbox", sandbox_id) from None

    def of_task(self, task_id: str) -> Box:
        """The sandbox that a task belongs to."""
        try:
            return self._by_task[task_id]
        except KeyError:
            raise not_found("Task", task_id) from None

    def id_of_task(self, task_id: str) -> str:
        """The id of the sandbox that a task belongs to; empty if it is not known."""
        box = self._by_task.get(task_id)
        return box.id if box is not None else ""

    def named(self, app_id: str, name: str) -> Box | None:
        """The running sandbox of that name, if there is one."""
        return self._named.get((app_id, name))

    def all(self) -> list[Box]:
        """Every sandbox that is known."""
        return list(self._boxes.values())

    def running(self) -> list[Box]:
        """Every sandbox that runs."""
        return [box for box in self._boxes.values() if box.result is None]

    def stood_on(self) -> set[str]:
        """Ids of the images and snapshots that sandboxes need that run."""
        return {thing for box in self.running() for thing in box.stands_on}

    def _ended(self, box: Box) -> None:
        if self._named.get((box.app_id, box.name)) is box:
            del self._named[box.app_id, box.name]
        self._finished.add(box, box.output_bytes())

    def _forget(self, box: Box) -> None:
        del self._boxes[box.id], self._by_task[box.task_id]
        box.discard()
