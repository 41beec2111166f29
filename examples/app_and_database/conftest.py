"""The two machines: as files, and running where the engine can take memory snapshots."""

from pathlib import Path

import pytest

from pytest_sandbox import Sandbox, sandbox_template
from pytest_sandbox.plugin import SandboxEngine

#: Where Debian has the programs of its newest PostgreSQL; sandboxes see the machine's `/usr`.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
SCHEMA = """
CREATE TABLE products (id integer PRIMARY KEY, stock integer NOT NULL);
INSERT INTO products SELECT number, 10 FROM generate_series(1, 1000) AS number;
"""
ANSWERS = """
import socket, time
while True:
    try:
        socket.create_connection(("127.0.0.1", 8000)).close()
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
"""


def as_postgres(sandbox: Sandbox, *command: str) -> None:
    """Run a program of PostgreSQL, which refuses to be root."""
    user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    sandbox.run(*user, f"{PROGRAMS}/{command[0]}", *command[1:], workdir="/srv/db", check=True)


def start_database(sandbox: Sandbox) -> None:
    # It listens on the loopback interface only, which is where others of the network reach it.
    options = "-c fsync=off -c unix_socket_directories=/tmp"
    arguments = ("--pgdata=/srv/db/data", "--wait", "--log=/srv/db/log", f"--options={options}")
    as_postgres(sandbox, "pg_ctl", "start", *arguments)


def start_app(sandbox: Sandbox) -> None:
    serve = "setsid python3 /srv/shop.py 8000 </dev/null >/srv/log 2>&1 &"
    sandbox.run("sh", "-c", serve, check=True)
    sandbox.run("python3", "-c", ANSWERS, check=True)


@sandbox_template(network="test", alias="db")
def database_files(sandbox: Sandbox) -> None:
    sandbox.run("install", "-d", "-o", "postgres", "/srv/db", check=True)
    as_postgres(sandbox, "initdb", "--auth=trust", "--no-sync", "--locale=C", "/srv/db/data")
    start_database(sandbox)
    sandbox.run("psql", "-h", "/tmp", "-U", "postgres", "-q", input=SCHEMA, check=True)
    as_postgres(sandbox, "pg_ctl", "stop", "--pgdata=/srv/db/data", "--mode=fast")


@sandbox_template(memory=True)
def database_running(database_files: Sandbox) -> None:
    start_database(database_files)


@sandbox_template(network="test", alias="app")
def app_files(sandbox: Sandbox) -> None:
    sandbox.filesystem.copy_from_local(Path(__file__).with_name("shop.py"), "/srv/shop.py")


@sandbox_template(memory=True)
def app_running(app_files: Sandbox) -> None:
    start_app(app_files)


@pytest.fixture(scope="session")
def with_memory(sandbox_engine: SandboxEngine) -> bool:
    """Whether copies can have running programs."""
    if PROGRAMS is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    if "single id" in sandbox_engine.mode:  # root inside is the only user, and it may not be root
        pytest.skip("needs users inside of sandboxes: apt-get install uidmap")
    return "memory snapshot" in sandbox_engine.capabilities


@pytest.fixture
def database(with_memory: bool, request: pytest.FixtureRequest) -> Sandbox:
    """The machine `db`, with a running PostgreSQL."""
    name = "database_running" if with_memory else "database_files"
    sandbox: Sandbox = request.getfixturevalue(name)
    if not with_memory:
        start_database(sandbox)
    return sandbox


@pytest.fixture
def app(with_memory: bool, request: pytest.FixtureRequest) -> Sandbox:
    """The machine `app`, with the shop on port 8000."""
    sandbox: Sandbox = request.getfixturevalue("app_running" if with_memory else "app_files")
    if not with_memory:
        start_app(sandbox)
    return sandbox
