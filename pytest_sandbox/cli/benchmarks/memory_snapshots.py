"""The figures of memory snapshots: servers that are resumed in new sandboxes."""

import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_sandbox import Client, Sandbox

from .samples import Samples
from .session import Bench

_PORT = 7000
_TIMEOUT = 30.0
_MOST = 20  # samples: each is slow, and they vary little

_SERVER = f"""
import os, socket, sys
state = os.urandom(1 << 20) * int(sys.argv[1])
server = socket.create_server(("127.0.0.1", {_PORT}))
while True:
    peer, _ = server.accept()
    with peer:
        peer.sendall(b"%d" % len(state))
"""
_LOAD = "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 200000) AS n"
_PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/"))
_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")


@dataclass(frozen=True)
class _Server:
    """A server whose memory goes into a snapshot.

    Attributes:
        name: for people.
        program: which must be installed on the machine.
        start: starts it in a sandbox.
        ask: sends a request and waits for the answer.
    """

    name: str
    program: str
    start: Callable[[Sandbox], object]
    ask: Callable[[Sandbox], object]


def memory(bench: Bench) -> None:
    """From the restore of a snapshot with processes to the first answer of its server."""
    if "memory snapshot" not in bench.capabilities:
        bench.skip("memory snapshots: the engine has none here; pytest-sandbox doctor says why")
        return
    servers = [
        *(_python(megabytes) for megabytes in (1, 100, 500)),
        _Server(
            "redis", "redis-server", _start_redis, lambda sandbox: _answer(sandbox, b"PING\r\n")
        ),
        _Server("PostgreSQL", f"{_PROGRAMS}/postgres", _start_postgres, _query),
    ]
    for server in servers:
        if shutil.which(server.program) is None:
            bench.skip(f"memory restore of {server.name}: {server.program} is not installed")
        else:
            _measure(bench, server)


def _measure(bench: Bench, server: _Server) -> None:
    set_up, restored = Samples(), Samples()
    for _ in range(3):
        with set_up.sample():
            source = _create()
            server.start(source)
            _until_answered(server, source)
        source.terminate()
    source = _create()
    server.start(source)
    _until_answered(server, source)
    started = time.perf_counter()
    snapshot = source._experimental_snapshot()
    bench.fact(f"memory snapshot, {server.name}", (time.perf_counter() - started) * 1000, "ms")
    source.terminate()
    for _ in bench.cycles(f"memory restore -> answer, end, {server.name}", _MOST):
        with restored.sample():
            with restored.step("restore"):
                copy = Sandbox._experimental_from_snapshot(snapshot, name=None)
            with restored.step("answer"):
                server.ask(copy)
        copy.terminate()
    Client.default().extensions.forget_snapshot(snapshot)
    name = f"{server.name} set up -> answer"
    bench.timing(f"memory restore -> answer, {server.name}", restored, name, set_up)


def _create() -> Sandbox:
    return Sandbox.create(
        unencrypted_ports=[_PORT], timeout=600, _experimental_enable_snapshot=True
    )


def _python(megabytes: int) -> _Server:
    def start(sandbox: Sandbox) -> None:
        sandbox.exec("python3", "-c", _SERVER, str(megabytes))

    return _Server(f"Python, {megabytes} MB", "python3", start, _answer)


def _start_redis(sandbox: Sandbox) -> None:
    sandbox.exec("redis-server", "--port", str(_PORT), "--save", "")


def _start_postgres(sandbox: Sandbox) -> None:
    folder = "/srv/postgresql"
    sandbox.run("install", "-d", "-o", "postgres", folder, check=True)
    initdb = (f"{_PROGRAMS}/initdb", "--auth=trust", "--no-sync", "--locale=C", f"{folder}/data")
    sandbox.run(*_POSTGRES, *initdb, workdir=folder, check=True)
    options = "--options=-c fsync=off -c unix_socket_directories=/tmp"
    control = (f"{_PROGRAMS}/pg_ctl", f"--pgdata={folder}/data", "--wait", f"--log={folder}/log")
    sandbox.run(*_POSTGRES, *control, options, "start", workdir=folder, check=True)
    _psql(sandbox, _LOAD)


def _query(sandbox: Sandbox) -> None:
    assert _psql(sandbox, "SELECT count(*) FROM t").strip() == "200000"


def _psql(sandbox: Sandbox, statement: str) -> str:
    psql = (f"{_PROGRAMS}/psql", "-h", "/tmp", "-U", "postgres", "-qAt", "-c", statement)
    return sandbox.run(*psql, check=True).stdout


def _answer(sandbox: Sandbox, question: bytes = b"") -> None:
    with _connected(sandbox) as sock:
        sock.sendall(question)
        assert sock.recv(100)


@contextlib.contextmanager
def _connected(sandbox: Sandbox) -> Iterator[socket.socket]:
    address = sandbox.tunnels()[_PORT].tcp_socket
    with socket.create_connection(address, _TIMEOUT) as sock:
        sock.settimeout(_TIMEOUT)
        yield sock


def _until_answered(server: _Server, sandbox: Sandbox) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not _answers(server, sandbox):
        assert time.monotonic() < deadline, f"{server.name} does not answer"
        time.sleep(0.005)


def _answers(server: _Server, sandbox: Sandbox) -> bool:
    try:
        server.ask(sandbox)
    except (AssertionError, OSError):
        return False
    return True
