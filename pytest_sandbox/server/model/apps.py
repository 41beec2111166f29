"""Apps, and the environments that they belong to."""

from dataclasses import field

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock

from ..rpc.errors import not_found
from .ids import Ids

DEFAULT_ENVIRONMENT = "main"
#: What to do about one that is not there.
NO_ENVIRONMENT = "a preset makes it, or `modal environment create`; see docs/modal.md"


@dataclass(eq=False)
class AppRecord:
    """An app.

    Attributes:
        id: begins with `ap-`.
        name: the description, for an ephemeral one.
        environment: where the name is valid.
        state: whether it is deployed, ephemeral, stopped, ...
        created_at: in seconds since the Unix epoch.
        stopped_at: likewise; 0 while it is not stopped.
        tags: name to value.
    """

    id: str
    name: str
    environment: str
    state: apps_pb2.AppState
    created_at: float
    stopped_at: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class EnvironmentRecord:
    """An environment.

    Attributes:
        id: begins with `en-`.
        name: by which clients find it.
        web_suffix: what they set, of no effect.
    """

    id: str
    name: str
    web_suffix: str = ""


class AppRegistry:
    """Environments, and the apps in them."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        default = EnvironmentRecord(ids.new("en"), DEFAULT_ENVIRONMENT)
        self._environments = {default.name: default}
        self._apps: dict[str, AppRecord] = {}

    def has_environment(self, name: str) -> bool:
        """Whether there is an environment of that name; no name means the default one."""
        return (name or DEFAULT_ENVIRONMENT) in self._environments

    def environment(self, name: str) -> str:
        """The name of an environment that exists; no name means the default one."""
        name = name or DEFAULT_ENVIRONMENT
        if name not in self._environments:
            raise not_found("Environment", name, NO_ENVIRONMENT)
        return name

    def environments(self) -> list[EnvironmentRecord]:
        """The environments, the oldest first."""
        return list(self._environments.values())

    def environment_id(self, name: str) -> str:
        """The id of an environment, which is created if it does not exist."""
        name = name or DEFAULT_ENVIRONMENT
        if name not in self._environments:
            self._environments[name] = EnvironmentRecord(self._ids.new("en"), name)
        return self._environments[name].id

    def rename_environment(self, name: str, new_name: str) -> None:
        """Give an environment another name, which is free."""
        self._environments[name].name = new_name
        self._environments = {each.name: each for each in self._environments.values()}
        for app in self.of_environment(name):
            app.environment = new_name

    def remove_environment(self, name: str) -> None:
        """Forget an environment; its apps, which are stopped, are in none any more."""
        del self._environments[name]
        for app in self.of_environment(name):
            app.environment = ""

    def add(self, name: str, environment: str, state: apps_pb2.AppState) -> AppRecord:
        """Register a new app."""
        app = AppRecord(self._ids.new("ap"), name, environment, state, self._clock.now())
        self._apps[app.id] = app
        return app

    def get(self, app_id: str) -> AppRecord:
        """An app by id."""
        try:
            return self._apps[app_id]
        except KeyError:
            raise not_found("App", app_id) from None

    def of_environment(self, environment: str) -> list[AppRecord]:
        """The apps of an environment, the newest first."""
        return [app for app in reversed(self._apps.values()) if app.environment == environment]

    def deployed(self, environment: str, name: str) -> AppRecord | None:
        """The deployed app of that name, if there is one."""
        wanted = (environment, name, apps_pb2.APP_STATE_DEPLOYED)
        apps = self._apps.values()
        return next((app for app in apps if (app.environment, app.name, app.state) == wanted), None)
