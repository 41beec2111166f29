"""What a cloud does and a server on this machine does not, one thing at a time."""

import asyncio
from typing import Any

import pytest
from grpclib import GRPCError, Status

from pytest_sandbox.client import Sandbox
from pytest_sandbox.client.exceptions import ServerWarning, ServiceError
from pytest_sandbox.cloud.transport.auth_token import AuthToken
from pytest_sandbox.server.rpc import web_token

from ..support.cloud import CloudOptions, Loss, RateLimit


class Tokens:
    """Gives tokens that live for 100 seconds, on a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.fails = False

    async def fetch(self) -> str:
        self.asked += 1
        if self.fails:
            raise GRPCError(Status.UNAVAILABLE, "not now")
        return web_token.encode({"exp": self.now + 100, "number": self.asked}, b"key")


def test_the_token_for_calls_is_renewed_at_half_of_its_life() -> None:
    tokens = Tokens()

    async def work() -> None:
        token = AuthToken(tokens.fetch, lambda: tokens.now)
        first, second = await asyncio.gather(token.get(), token.get())
        assert first == second
        tokens.now += 49
        assert await token.get() == first
        tokens.now += 2
        assert await token.get() == first  # which is valid, while the next one is asked for
        await asyncio.sleep(0)
        assert await token.get() != first
        assert tokens.asked == 2

    asyncio.run(work())


def test_a_valid_token_is_used_while_modal_gives_no_other() -> None:
    tokens = Tokens()

    async def work() -> None:
        token = AuthToken(tokens.fetch, lambda: tokens.now)
        first = await token.get()
        tokens.fails = True
        tokens.now += 60
        for _ in range(3):
            assert await token.get() == first
            await asyncio.sleep(0)
        assert tokens.asked == 2  # the next attempt is after a pause
        tokens.now += 50
        with pytest.raises(GRPCError, match="not now"):
            await token.get()

    asyncio.run(work())


def test_a_token_for_calls_that_a_server_refuses_is_renewed(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(auth_token_lifetime=60))
    sandbox = Sandbox.create("cat", client=run.client)
    run.cloud.clock.advance(61)  # which the clock of this machine does not tell

    sandbox.poll()

    assert run.cloud.hooks.counts["AuthTokenGet"] == 2


def test_a_token_for_commands_that_expired_is_renewed_once(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(router_token_lifetime=100))
    sandbox = Sandbox.create("cat", client=run.client)
    assert sandbox.run("true").returncode == 0
    run.cloud.clock.advance(101)

    assert sandbox.run("echo", "on").stdout == "on\n"
    assert run.cloud.hooks.counts["SandboxGetCommandRouterAccess"] == 1


def test_a_limit_without_a_time_is_an_error(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(rate_limits={"AppGetOrCreate": RateLimit(1, None)}))

    with pytest.raises(Exception, match="too many calls"):
        Sandbox.create(client=run.client)


def test_a_server_that_went_away(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(api_losses=[Loss("SandboxTagsGetV2", n) for n in range(1, 5)]))
    sandbox = Sandbox.create("cat", client=run.client)

    with pytest.raises(ServiceError, match=f"the connection to {run.cloud.url} failed"):
        sandbox.get_tags()


def test_the_life_of_a_sandbox_is_bounded(run_in_cloud: Any) -> None:
    run = run_in_cloud(lifetime=120)
    with pytest.warns(ServerWarning, match="timeout=300 was cut to 120 s"):
        Sandbox.create("cat", client=run.client)
    Sandbox.create("cat", client=run.client, timeout=60)

    bounded = [each.definition.timeout_secs for each in run.cloud.app.state.sandboxes.all()]
    assert bounded == [120, 60]


def test_tokens_of_modal_stay_in_the_process_of_the_run(run_in_cloud: Any) -> None:
    run = run_in_cloud()
    run.client.inspector.record_start()
    sandbox = Sandbox.create("cat", client=run.client)
    sandbox.run("true")
    records = run.client.inspector.record(1).records

    shown = "".join(str(each) for each in records)
    assert "as-cloud" not in shown
    assert run.cloud.router_url not in shown
    assert sandbox.get_tags() == {}  # nor is the tag of the run shown, which Modal has
    assert [*run.cloud.app.state.sandboxes.all()[0].tags] == ["pytest-sandbox-run"]
