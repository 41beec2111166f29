"""The cloud: an API and a command router on two hosts, in front of one server."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sandbox.client.transport import portal
from pytest_sandbox.engine import SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.server import Application, ListenerConfig
from pytest_sandbox.server.rpc.auth import RouterTokens, TokenPair

from .auth_tokens import AuthTokens
from .clock import SteppedClock
from .hooks import Hooks
from .hosts import HostServer, Refused
from .losses import Losses
from .options import CloudOptions
from .parts import Parts
from .rules import ApiRules, Rules
from .services import HostServices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox.engine import Engine

#: The hosts. They are addresses, since a name below `localhost` is not known everywhere; and not
#: 127.0.0.1, since Modal's clients do not check the certificates of a server there.
API, ROUTER = "127.0.0.2", "127.0.0.3"
#: A module that stands in for `certifi`, which is all that Modal's client for Python trusts.
TRUSTS = Path(__file__).with_name("trusts")


class Cloud:
    """A cloud that runs; made by `running`.

    Args:
        options: how it behaves.
        engine: runs the sandboxes; one in memory by default.
        folder: where to write its certificate.

    Attributes:
        options: how it behaves.
        clock: the time by which tokens expire.
        hooks: sees each call.
        ca_file: the certificate of its authority.
        url: of the API.
        router_url: of the command router.
        app: the server behind it.
        parts: takes large contents in parts.
        rules: of the API.
    """

    url = router_url = ""
    app: Application
    parts: Parts
    rules: ApiRules

    def __init__(
        self,
        options: CloudOptions,
        folder: Path,
        engine: Engine | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.options = options
        self.clock = SteppedClock()
        self.hooks = hooks or Hooks()
        self.ca_file = folder / "ca.pem"
        self._engine = engine or FakeEngine(clock=SystemClock())
        self._servers: list[HostServer] = []
        self._api_losses = Losses(options.api_losses)
        self._router_losses = Losses(options.router_losses)
        self._refused = Refused(options.router_refusals)

    @property
    def plans_left(self) -> list[object]:
        """What was planned and has not happened: connections to lose or to refuse."""
        refusals = [self._refused] if self._refused.left else []
        return [*self._api_losses.left, *self._router_losses.left, *refusals]

    def environment(self) -> dict[str, str]:
        """The environment of a program with the real client."""
        path = [str(TRUSTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **{name: value for name, value in os.environ.items() if not is_of_client(name)},
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": self.options.token_id,
            "MODAL_TOKEN_SECRET": self.options.token_secret,
            "MODAL_CONFIG_PATH": os.devnull,
            "SSL_CERT_FILE": str(self.ca_file),
            "PYTHONPATH": os.pathsep.join(path),
        }

    async def start(self) -> None:
        """Listen."""
        options = self.options
        self.app = Application(self._engine, await self._engine.start())
        state = self.app.state
        state.tokens = RouterTokens(self.clock, options.router_token_lifetime)
        self.ca_file.write_bytes(state.authority.pem)
        tokens = TokenPair(options.token_id, options.token_secret)
        services = self.app.services(ListenerConfig("tls", tokens))
        auth = AuthTokens(self.clock, options.auth_token_lifetime, options.leeway)
        self.parts = Parts(options.part_size, state.uploads)
        self.rules = rules = ApiRules(options, auth, self.parts)
        self.url = await self._listen(
            HostServices(
                *(services, "/modal.client.ModalClient/", rules, self._api_losses),
                *(options, self.hooks),
            ),
            API,
        )
        self.router_url = await self._listen(
            HostServices(
                *(services, "/modal.task_command_router.", Rules(), self._router_losses),
                *(options, self.hooks),
            ),
            ROUTER,
        )
        state.router_plain_authority, state.router_tls_url = None, self.router_url
        context = state.authority.context(frozenset({API}), "http/1.1")
        state.transfers.host, state.transfers.tls = API, context
        await self.parts.start(API, context)

    async def _listen(self, services: HostServices, host: str) -> str:
        context = self.app.state.authority.context(frozenset({host}), "h2")
        refused = self._refused if host == ROUTER else Refused(0)
        server = HostServer(services, context, refused)
        # Named, so that asyncio sends small messages at once.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind((host, 0))
        await server.start(sock=listening)
        self._servers.append(server)
        return f"https://{host}:{listening.getsockname()[1]}"

    async def close(self) -> None:
        """End all calls and sandboxes."""
        await self.app.close()
        await self.parts.close()
        for server in self._servers:
            server.close()


@contextmanager
def running(
    options: CloudOptions | None = None, *, engine: Engine | None = None, hooks: Hooks | None = None
) -> Iterator[Cloud]:
    """A cloud, for the length of a `with`.

    Args:
        options: how it behaves; friendly by default.
        engine: runs the sandboxes; one in memory by default.
        hooks: sees each call.
    """
    with tempfile.TemporaryDirectory(prefix="cloud-") as folder:
        cloud = Cloud(options or CloudOptions(), Path(folder), engine, hooks)
        portal().run(cloud.start)
        try:
            yield cloud
        finally:
            portal().run(cloud.close)


def is_of_client(name: str) -> bool:
    """Whether an environment variable changes where clients connect to, or as whom."""
    return name.startswith("MODAL_") or name.lower().endswith("_proxy")
