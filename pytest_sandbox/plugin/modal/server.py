"""Where real Modal clients connect to in a test, as the fixture `modal_server` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._run import modal_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from pytest_sandbox.client import Client
    from pytest_sandbox.inmemory import FakeSandboxes
    from pytest_sandbox.rpcs import Faults, NetworkFaults, Rpcs

    class Address(Protocol):
        """Where a server is; of one in this process, or as one of another process says."""

        @property
        def url(self) -> str: ...  # noqa: D102

        @property
        def token_id(self) -> str: ...  # noqa: D102

        @property
        def token_secret(self) -> str: ...  # noqa: D102


class ModalServer:
    """A server on the loopback network to which Modal's clients connect during a test.

    Those of the test itself do, and those of the processes that it starts.

    Attributes:
        url: of its control plane, as in `MODAL_SERVER_URL`.
        token_id: its token, as in `MODAL_TOKEN_ID`.
        token_secret: the secret of it, as in `MODAL_TOKEN_SECRET`.
        environment: the environment variables that clients need, which are set during the test.
        engine: `"local"` or `"fake"`.
        client: a client of this package on the same server, for `Sandbox.from_id(id, client=…)`.
        rpcs: the calls that were made during the test.
        faults: plans what goes wrong with calls.
        network_faults: plans what goes wrong with connections of sandboxes.
    """

    def __init__(
        self,
        address: Address,
        ca_file: str,
        *,
        engine: str,
        client: Client,
        rpcs: Rpcs,
        faults: Faults,
        network_faults: NetworkFaults,
        fake: FakeSandboxes | None = None,
    ) -> None:
        self.url = address.url
        self.token_id = address.token_id
        self.token_secret = address.token_secret
        self.environment: Mapping[str, str] = modal_environment(
            self.url, self.token_id, self.token_secret, ca_file
        )
        self.engine = engine
        self.client = client
        self.rpcs = rpcs
        self.faults = faults
        self.network_faults = network_faults
        self._fake = fake
        self._before = set(self._known())

    @property
    def fake(self) -> FakeSandboxes:
        """The engine in memory: `on_exec`, `clock`, `filesystem`, `volume`, `allow`, ...

        Raises:
            RuntimeError: the test runs on another engine.
        """
        if self._fake is None:
            raise RuntimeError(
                f"the engine of this test is {self.engine}, which takes no scripts: mark the test "
                'with @pytest.mark.modal_server(engine="fake")'
            )
        return self._fake

    @property
    def sandbox_ids(self) -> list[str]:
        """The ids of the sandboxes that were made during the test, the oldest first."""
        return [each for each in self._known() if each not in self._before]

    def _known(self) -> list[str]:
        if self._fake is not None:
            return self._fake.ids
        return list(self.client.inspector.sandboxes().ids)

    def __repr__(self) -> str:
        return f"<modal server at {self.url}, engine {self.engine}>"
