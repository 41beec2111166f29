"""A PostgreSQL server in a sandbox, from Debian's packages."""

from pathlib import Path

from pytest_sandbox import Sandbox

#: Where Debian has the programs of its newest PostgreSQL; sandboxes see the machine's `/usr`.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
PRODUCTS = 20_000

SCHEMA = f"""
CREATE TABLE products (id integer PRIMARY KEY, stock integer NOT NULL CHECK (stock >= 0));
CREATE TABLE orders (id serial PRIMARY KEY, product integer NOT NULL REFERENCES products);
INSERT INTO products SELECT number, 10 FROM generate_series(1, {PRODUCTS}) AS number;
"""

CLEAR = """
TRUNCATE orders RESTART IDENTITY;
UPDATE products SET stock = 10 WHERE stock <> 10;
"""


class Database:
    """The server of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def create(self) -> None:
        """Make the files of an empty database, which only its user may read."""
        self.sandbox.run("install", "-d", "-o", "postgres", "/srv/postgresql", check=True)
        self._as_postgres(
            f"{PROGRAMS}/initdb", "--auth=trust", "--no-sync", "--locale=C", "/srv/postgresql/data"
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # Nothing needs to survive a crash of the machine: there is no such thing in a test.
        options = "-c fsync=off -c unix_socket_directories=/tmp"
        self._control("start", "--log=/srv/postgresql/log", f"--options={options}")

    def stop(self) -> None:
        """Make it write all data to its files."""
        self._control("stop", "--mode=fast")

    def load(self) -> None:
        """The data that all tests start with."""
        self.sql(SCHEMA)

    def clear(self) -> None:
        """Undo what tests may have done, as suites do that share a server."""
        self.sql(
            "TRUNCATE orders RESTART IDENTITY; UPDATE products SET stock = 10 WHERE stock < 10"
        )

    def sql(self, statements: str) -> str:
        """What statements answer, a line for each row."""
        psql = ("psql", "-h", "/tmp", "-U", "postgres", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self.sandbox.run(*psql, input=statements, check=True).stdout

    def _control(self, *arguments: str) -> None:
        self._as_postgres(
            f"{PROGRAMS}/pg_ctl", "--pgdata=/srv/postgresql/data", "--wait", *arguments
        )

    def _as_postgres(self, *command: str) -> None:
        # The server refuses to run as root.
        user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        self.sandbox.run(*user, *command, workdir="/srv/postgresql", check=True)
