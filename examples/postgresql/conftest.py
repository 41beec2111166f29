"""A database for each test, in four ways. `compare.py` times them side by side."""

from collections.abc import Iterator

import pytest
from database import PROGRAMS, Database

from pytest_sandbox import Sandbox, sandbox_template
from pytest_sandbox.plugin import SandboxEngine

WAYS = ("memory", "files", "fresh", "truncate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=WAYS, help="Where a test's database comes from.")


@sandbox_template
def stopped(sandbox: Sandbox) -> None:
    """A database with its data, as files."""
    database = Database(sandbox)
    database.create()
    database.start()
    database.load()
    database.stop()


@sandbox_template(memory=True)
def running(stopped: Sandbox) -> None:
    """The same with its server running, which copies then have too."""
    Database(stopped).start()


@pytest.fixture(scope="session")
def way(pytestconfig: pytest.Config, sandbox_engine: SandboxEngine) -> str:
    """The fastest one that this machine is up to, unless another one is asked for."""
    if PROGRAMS is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    if "single id" in sandbox_engine.mode:  # root inside is the only user, and it may not be root
        pytest.skip("needs users inside of sandboxes: apt-get install uidmap")
    best = "memory" if "memory snapshot" in sandbox_engine.capabilities else "files"
    return pytestconfig.getoption("--database") or best


@pytest.fixture
def database(way: str, request: pytest.FixtureRequest) -> Database:
    """A running database with its data, and nothing of any other test."""
    database: Database = request.getfixturevalue(f"database_by_{way}")
    return database


@pytest.fixture
def database_by_memory(running: Sandbox) -> Database:
    return Database(running)


@pytest.fixture
def database_by_files(stopped: Sandbox) -> Database:
    database = Database(stopped)
    database.start()
    return database


@pytest.fixture
def database_by_fresh(sandbox: Sandbox) -> Database:
    database = Database(sandbox)
    database.create()
    database.start()
    database.load()
    return database


@pytest.fixture(scope="session")
def shared(sandbox_engine: SandboxEngine) -> Iterator[Database]:
    sandbox = Sandbox.create(client=sandbox_engine.client, timeout=3600)
    database = Database(sandbox)
    database.create()
    database.start()
    database.load()
    yield database
    sandbox.terminate()


@pytest.fixture
def database_by_truncate(shared: Database) -> Database:
    shared.clear()
    return shared
