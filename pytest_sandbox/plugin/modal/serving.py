"""What the fixture `modal_server` does: the real `modal` client, on sandboxes of this machine."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._run import UNSET
from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.real import real_files

from ..calls import end_faults
from ..engine import session_of
from ..fakes import KEYS, is_faked
from ..fakes import NAME as FAKE
from ..options import engine_of
from ..ownership import OWNED, fail_for
from .marker import SERVER, check_keys, own_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox.inmemory import FakeSandboxes

    from ..engine import EngineSession
    from .client_state import ClientState
    from .run_server import RunServer
    from .server import ModalServer

__tracebackhide__ = True  # a failing test shows its own lines, not these

#: What a user has chosen in the cloud, which must not decide whether a test passes.
_CHOICES = ("MODAL_ENVIRONMENT", "MODAL_PROFILE")

#: For each engine that a test has used it on.
_RUN_SERVERS: pytest.StashKey[dict[EngineSession, RunServer]] = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Begin the second phase."""
    if SERVER in item.stash and item.stash[SERVER].engine != "fake":
        item.stash[SERVER].rpcs.begin_phase("call")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Begin the third phase."""
    if SERVER in item.stash and item.stash[SERVER].engine != "fake":
        item.stash[SERVER].rpcs.begin_phase("teardown")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close the connections of this process, before the engine ends."""
    for server in session.config.stash.get(_RUN_SERVERS, {}).values():
        server.close()
    session.config.stash[_RUN_SERVERS] = {}


def modal_is_installed() -> bool:
    """Whether this process can import `modal`."""
    return importlib.util.find_spec("modal") is not None


def server_of_test(request: pytest.FixtureRequest) -> Iterator[ModalServer]:
    """The server of a test for the real `modal` client, while it is in use."""
    item = request.node
    keys = own_keys(item)
    check_keys(item, KEYS)
    in_process = keys.get("in_process", True)
    if in_process and not modal_is_installed():
        pytest.fail(
            "modal_server: the package modal is not installed. The tests need it, or only "
            "processes that they start:\n"
            f"    {install_command('modal')}\n"
            "    @pytest.mark.modal_server(in_process=False)",
            pytrace=False,
        )
    if is_faked(item):
        if keys.get("engine") == "local":
            pytest.fail(
                "modal_server: the engine of this test is in memory, and its marker says "
                "engine='local'",
                pytrace=False,
            )
        yield from _in_memory(item, request.getfixturevalue(FAKE), in_process=in_process)
    else:
        yield from _on_an_engine(item, in_process=in_process)


def _in_memory(
    item: pytest.Item, fake: FakeSandboxes, *, in_process: bool
) -> Iterator[ModalServer]:
    from .client_state import ClientState
    from .server import ModalServer

    with ExitStack() as stack:
        ca_file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ca.pem"
        tcp = fake.listen(ca_file)
        server = ModalServer(
            tcp,
            tcp.ca_file or "",
            engine="fake",
            client=fake.client,
            rpcs=fake.rpcs,
            faults=fake.faults,
            network_faults=fake.network_faults,
            fake=fake,
        )
        item.stash[SERVER] = server
        _preset(item, server)
        stack.enter_context(_environment(server.environment))
        if in_process:
            stack.enter_context(_client(ClientState(), lasts=False))
        yield server


def _on_an_engine(item: pytest.Item, *, in_process: bool) -> Iterator[ModalServer]:
    from pytest_sandbox.rpcs import Faults, NetworkFaults, Rpcs

    from .run_server import RunServer
    from .server import ModalServer

    session, manager = session_of(item), item.config.pluginmanager
    if not manager.has_plugin(__name__):
        manager.register(sys.modules[__name__], __name__)
    servers = item.config.stash.setdefault(_RUN_SERVERS, {})
    if session not in servers:
        servers[session] = RunServer(session)
    session.engine()  # says why, if it has died
    run_server = servers[session]
    inspector = run_server.client.inspector
    with ExitStack() as stack:
        server = ModalServer(
            run_server.address,
            run_server.address.ca_file,
            engine=engine_of(item),
            client=run_server.client,
            rpcs=Rpcs(inspector),
            faults=Faults(inspector),
            network_faults=NetworkFaults(inspector),
        )
        stack.callback(server.rpcs.close)
        _preset(item, server)
        server.rpcs.begin_phase("setup")
        item.stash[SERVER] = server
        stack.enter_context(_environment(server.environment))
        if in_process:
            stack.enter_context(_client(run_server.state, lasts=True))
        stack.callback(end_faults, server.faults)
        stack.callback(end_faults, server.network_faults)
        stack.callback(_end_sandboxes, item, server)
        yield server


def _preset(item: pytest.Item, server: ModalServer) -> None:
    """Set up what clients find by name."""
    path = own_keys(item).get("preset") or item.config.getini("modal_server_preset")
    if path:
        from pytest_sandbox.client.exceptions import InvalidError

        try:
            server.client.inspector.preset(str(item.config.rootpath / path))
        except InvalidError as error:
            pytest.fail(f"modal_server: {error}", pytrace=False)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set the environment variables of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*UNSET, *_CHOICES):
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@contextmanager
def _client(state: ClientState, *, lasts: bool) -> Iterator[None]:
    """Give `modal` in this process the state of a server.

    Args:
        state: which `modal` changes meanwhile.
        lasts: whether the server outlives the test.
    """
    with real_files():
        import modal  # noqa: F401
    from .client_state import close, forgetting, swap

    before = swap(state)
    try:
        with forgetting():
            yield
    finally:
        after = swap(before)
        if lasts:
            state.client, state.environments = after.client, after.environments
        else:
            close(after)


def _end_sandboxes(item: pytest.Item, server: ModalServer) -> None:
    """End the sandboxes of the test, and note for its report those that still run."""
    ids = server.sandbox_ids
    stuck: dict[str, Exception] = {}
    for sandbox_id, outcome in server.client.batch(ids).end().items():
        if isinstance(outcome, Exception):
            stuck[sandbox_id] = outcome
        elif outcome.running:
            item.stash[OWNED].left.append(
                f"sandbox {sandbox_id}, which the test created and did not terminate"
            )
    if stuck:
        fail_for(stuck, session_of(item))
