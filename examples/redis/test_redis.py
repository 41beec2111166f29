"""A redis with data; each test has its own, so a test may even call `FLUSHALL`."""

import shutil

import pytest

from pytest_sandbox import Sandbox, sandbox_template
from pytest_sandbox.plugin import SandboxEngine

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs redis: apt-get install redis-server"
)

CARTS = 10_000
LOAD = f"for i = 1, {CARTS} do redis.call('HSET', 'cart:' .. i, 'apples', i, 'pears', 0) end"


def ask(sandbox: Sandbox, *command: str) -> str:
    return sandbox.run("redis-cli", "-e", *command, check=True).stdout.strip()


def start(sandbox: Sandbox) -> None:
    options = ("--daemonize", "yes", "--dir", "/srv", "--pidfile", "/srv/pid")
    sandbox.run("redis-server", *options, check=True)
    sandbox.run("sh", "-c", "until redis-cli -e ping; do sleep 0.01; done", check=True, timeout=60)


@sandbox_template
def stopped(sandbox: Sandbox) -> None:
    """Its data, as a file that it loads when it starts."""
    start(sandbox)
    ask(sandbox, "EVAL", LOAD, "0")
    sandbox.run("redis-cli", "SHUTDOWN", "SAVE")


@sandbox_template(memory=True)
def running(stopped: Sandbox) -> None:
    """The server with its data in memory."""
    start(stopped)


@pytest.fixture
def redis(request: pytest.FixtureRequest, sandbox_engine: SandboxEngine) -> Sandbox:
    """A running server; its processes are restored too, where the machine supports that."""
    memory = "memory snapshot" in sandbox_engine.capabilities
    sandbox: Sandbox = request.getfixturevalue("running" if memory else "stopped")
    if not memory:
        start(sandbox)
    return sandbox


def test_all_carts_are_there(redis: Sandbox) -> None:
    assert ask(redis, "DBSIZE") == str(CARTS)
    assert ask(redis, "HGET", f"cart:{CARTS}", "apples") == str(CARTS)


def test_everything_goes(redis: Sandbox) -> None:
    assert ask(redis, "FLUSHALL") == "OK"
    assert ask(redis, "DBSIZE") == "0"


@pytest.mark.parametrize("number", range(5))
def test_pears_are_counted_from_zero(redis: Sandbox, number: int) -> None:
    assert ask(redis, "HINCRBY", "cart:1", "pears", "3") == "3"


def test_it_can_be_killed_and_comes_back_with_its_file(redis: Sandbox) -> None:
    ask(redis, "SET", "note", "kept")
    ask(redis, "SAVE")
    ask(redis, "SET", "note", "lost")
    redis.run("sh", "-c", "kill -KILL $(cat /srv/pid)", check=True)
    redis.run("sh", "-c", "while kill -0 $(cat /srv/pid); do sleep 0.01; done", timeout=60)
    start(redis)

    assert ask(redis, "GET", "note") == "kept"
