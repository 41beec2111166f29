"""Secrets: environment variables that clients refer to by id."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pytest_sandbox._proto import secrets_pb2
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..rpc.errors import not_found

#: Ephemeral secrets that are stored: older clients make one for each command with variables.
EPHEMERAL_SECRETS = 10_000
#: Values that are remembered, for reports to hide.
KNOWN_VALUES = 10_000


@dataclass(frozen=True)
class SecretRecord:
    """Environment variables under an id, and maybe a name.

    Attributes:
        id: begins with `st-`.
        name: empty for a secret that cannot be found by name.
        environment: where the name is valid.
        env: the variables.
        created_at: in seconds since the Unix epoch.
    """

    id: str
    name: str
    environment: str
    env: Mapping[str, str]
    created_at: float


class SecretRegistry:
    """Secrets by id, and by name in an environment.

    Ephemeral ones are evicted, the least recently used first. Sandboxes and commands that were
    started before keep their variables; a later use of the id is NOT_FOUND.
    """

    def __init__(self) -> None:
        self._lasting: dict[str, SecretRecord] = {}
        self._ephemeral: OrderedDict[str, SecretRecord] = OrderedDict()
        self._named: dict[tuple[str, str], SecretRecord] = {}
        self._values: OrderedDict[str, None] = OrderedDict()

    @property
    def values(self) -> list[str]:
        """The values of all variables, or the newest ones, which reports must not show."""
        return list(self._values)

    def add(self, secret: SecretRecord, *, ephemeral: bool = False) -> None:
        """Register a secret; an `ephemeral` one may be evicted."""
        (self._ephemeral if ephemeral else self._lasting)[secret.id] = secret
        self._note(secret.env.values())
        if secret.name:
            self._named[secret.environment, secret.name] = secret
        if len(self._ephemeral) > EPHEMERAL_SECRETS:
            self._ephemeral.popitem(last=False)

    def get(self, secret_id: str) -> SecretRecord:
        """A secret by id."""
        secret = self._lasting.get(secret_id) or self._ephemeral.get(secret_id)
        if secret is None:
            raise not_found("Secret", secret_id)
        if secret_id in self._ephemeral:
            self._ephemeral.move_to_end(secret_id)
        return secret

    def update(self, secret_id: str, changes: Mapping[str, str | None]) -> SecretRecord:
        """Change variables of a secret; one without a value is removed.

        What was started with it has the former ones.
        """
        secret = self.get(secret_id)
        env = {**secret.env, **changes}
        changed = replace(
            secret, env={name: value for name, value in env.items() if value is not None}
        )
        for among in (self._lasting, self._ephemeral):
            if secret_id in among:
                among[secret_id] = changed
        if self._named.get((secret.environment, secret.name)) is secret:
            self._named[secret.environment, secret.name] = changed
        return changed

    def remove(self, secret_id: str) -> None:
        """Forget a secret; what was started with it still has its variables."""
        secret = self.get(secret_id)
        self._lasting.pop(secret_id, None)
        self._ephemeral.pop(secret_id, None)
        if self._named.get((secret.environment, secret.name)) is secret:
            del self._named[secret.environment, secret.name]

    def of_environment(self, environment: str) -> list[SecretRecord]:
        """Those that can be found by name there, the newest first."""
        found = (secret for (where, _), secret in self._named.items() if where == environment)
        return sorted(found, key=lambda secret: secret.created_at, reverse=True)

    def named(self, environment: str, name: str) -> SecretRecord | None:
        """The secret of that name, if there is one."""
        return self._named.get((environment, name))

    def rename_environment(self, environment: str, new_name: str) -> None:
        """Move what can be found by name in an environment to another one, which has nothing."""
        for secret in self.of_environment(environment):
            del self._named[environment, secret.name]
            moved = replace(secret, environment=new_name)
            self._lasting[secret.id] = self._named[new_name, secret.name] = moved

    def variables(self, secret_ids: Iterable[str]) -> dict[str, str]:
        """The variables of several secrets; a later one wins."""
        env: dict[str, str] = {}
        for secret_id in secret_ids:
            env.update(self.get(secret_id).env)
        return env

    def of_sources(self, sources: Iterable[secrets_pb2.SecretSource]) -> dict[str, str]:
        """The variables of secrets by id and of others inline; a later one wins."""
        env: dict[str, str] = {}
        for source in sources:
            if source.WhichOneof("source") == "secret_id":
                env.update(self.get(source.secret_id).env)
            else:
                self._note(source.env.contents.values())
                env.update(source.env.contents)
        return env

    def _note(self, values: Iterable[str]) -> None:
        for value in values:
            self._values[value] = None
            self._values.move_to_end(value)
        while len(self._values) > KNOWN_VALUES:
            self._values.popitem(last=False)
