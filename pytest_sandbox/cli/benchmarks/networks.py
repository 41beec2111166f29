"""The figures of networks: connections of sandboxes to a server on this machine."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_sandbox import Sandbox, SandboxNetwork

from .samples import Samples
from .session import Bench

_ALL = ("0.0.0.0/0", "::/0")
_BUSY, _MEMBERS = 200, 20
_MB = 500
#: Connects, and prints in milliseconds how long it was to the first byte; both ways, in MB/s; or
#: exchanges messages on many connections until its input ends.
_PROGRAM = """
import json, selectors, socket, sys, time
def connect():
    return socket.create_connection((sys.argv[1], int(sys.argv[2])))
def first_bytes(count):
    for _ in range(count):
        started = time.perf_counter()
        with connect() as sock:
            sock.sendall(b"11")
            sock.recv(1)
            yield (time.perf_counter() - started) * 1000
def rate(kind, size):
    with connect() as sock:
        sock.sendall(kind)
        started, left, block = time.perf_counter(), size, bytes(1 << 18)
        while left > 0:
            left -= len(sock.recv(1 << 18)) if kind == b"<" else sock.send(block)
        if kind == b">":
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)  # the end: the other side has it all
        return size / (time.perf_counter() - started) / 1e6
def exchange(count):
    selector = selectors.DefaultSelector()
    socks = [connect() for _ in range(count)]
    for sock in socks:
        selector.register(sock, selectors.EVENT_READ)
        sock.sendall(b"11")
    selector.register(0, selectors.EVENT_READ)
    print("ready", flush=True)
    started, messages = time.perf_counter(), 0
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                return messages / (time.perf_counter() - started)
            key.fileobj.sendall(key.fileobj.recv(1))
            messages += 1
what, count = sys.argv[3], int(sys.argv[4])
if what == "first":
    print(json.dumps(list(first_bytes(count))))
elif what == "rates":
    print(json.dumps([rate(kind, count * 10**6) for kind in (b"<", b">")]))
else:
    print(exchange(count))
"""
#: Echoes, sends much, or takes much, as the first byte says; ends with its input.
_SERVER = """
import contextlib, socket, sys, threading
def serve(peer):
    block = bytes(1 << 18)
    with contextlib.suppress(OSError), peer:
        kind = peer.recv(1)
        if kind == b"<":
            while True:
                peer.sendall(block)
        while data := peer.recv(1 << 18):
            if kind == b"1":
                peer.sendall(data)
def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
with socket.create_server((sys.argv[1], 0), backlog=500) as listener:
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def network(bench: Bench) -> None:
    """What a network costs: at creation, for each connection, for much data, and for others."""
    _create(bench)
    address = _own_address()
    if address is None:
        bench.skip("connections out of sandboxes: this machine has no address but loopback")
        return
    with _server(address) as port:
        sandbox = Sandbox.create(cidr_allowlist=[*_ALL, f"{address}/32"])
        place = (address, str(port))
        ours, baseline = Samples(), Samples()
        count = str(bench.samples)
        ours.totals = _inside(sandbox, *place, "first", count)
        baseline.totals = _outside(*place, "first", count)
        bench.timing("first byte through the relay", ours, "from this machine itself", baseline)
        bench.fact("  the relay adds", ours.p50 - baseline.p50, "ms")
        for where, rates in (
            ("through the relay", _inside(sandbox, *place, "rates", str(_MB))),
            ("from this machine itself", _outside(*place, "rates", str(_MB))),
        ):
            for way, rate in zip(("in", "out"), rates, strict=True):
                bench.fact(f"data {way}, {where}", rate, "MB/s")
        _beside_many(bench, sandbox, *place)
        sandbox.terminate()


def _create(bench: Bench) -> None:
    ours, member, baseline = Samples(), Samples(), Samples()
    with bench.engine_without_spares():
        others = SandboxNetwork()
        members = [Sandbox.create(network=others, alias=f"m{n}") for n in range(_MEMBERS)]
        for _ in bench.cycles("create + end, with 3 networks"):
            for samples, arguments in (
                (baseline, {}),
                (ours, {"cidr_allowlist": _ALL}),
                (member, {"network": others, "alias": "new"}),
            ):
                with samples.sample():
                    sandbox = Sandbox.create(**arguments)
                sandbox.terminate()
        for sandbox in members:
            sandbox.terminate()
    bench.timing("create with an open network", ours, "create", baseline)
    bench.timing(f"create in a network of {_MEMBERS} sandboxes", member, "create", baseline)


def _beside_many(bench: Bench, busy: Sandbox, address: str, port: str) -> None:
    """Calls of one sandbox while another one exchanges messages on many connections."""
    quiet, beside = Samples(), Samples()
    calm = Sandbox.create()
    process = busy.exec("python3", "-c", _PROGRAM, address, port, "exchange", str(_BUSY))
    for samples in (quiet, beside):
        if samples is beside:
            assert next(iter(process.stdout)) == "ready\n"
        for _ in range(max(bench.samples, 100)):
            with samples.sample():
                calm.poll()
    process.stdin.write_eof()
    process.stdin.drain()
    messages = float(process.stdout.read())
    calm.terminate()
    bench.timing(f"call beside {_BUSY} busy connections", beside, "call, none busy", quiet)
    bench.fact(f"  messages on {_BUSY} connections meanwhile", messages, "per second")


def _inside(sandbox: Sandbox, *arguments: str) -> list[float]:
    """What the program prints in a sandbox."""
    output = sandbox.run("python3", "-c", _PROGRAM, *arguments, check=True).stdout
    figures: list[float] = json.loads(output)
    return figures


def _outside(*arguments: str) -> list[float]:
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    figures: list[float] = json.loads(output)
    return figures


def _own_address() -> str | None:
    """An address of this machine besides loopback; none if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing: it only looks up the route
        except OSError:
            return None
        address: str = sock.getsockname()[0]
    return None if address.startswith("127.") else address


@contextmanager
def _server(address: str) -> Iterator[int]:
    """A server in a process of its own; its port."""
    command = [sys.executable, "-c", _SERVER, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.communicate()
