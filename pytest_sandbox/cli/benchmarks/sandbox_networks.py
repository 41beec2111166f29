"""The figures of networks of sandboxes."""

import time
from typing import Any

from pytest_sandbox import Sandbox, SandboxNetwork

from .samples import Samples
from .session import Bench

#: Sandboxes in one network, each of which talks to each.
_MEMBERS = 20
#: Answers each connection with a byte.
_SERVE = """
import socket, threading
server = socket.create_server(("127.0.0.1", 5432), backlog=100)
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    peer.sendall(b"x")
    peer.close()
"""
#: Prints the milliseconds to the first byte of each of some hosts, in turn, so many times.
_ASK = """
import socket, sys, time
hosts = sys.argv[2:]
addresses = [socket.gethostbyname(host) for host in hosts]
for _ in range(int(sys.argv[1])):
    for address in addresses:
        started = time.perf_counter()
        with socket.create_connection((address, 5432)) as sock:
            assert sock.recv(1) == b"x"
        print((time.perf_counter() - started) * 1000)
"""


def sandbox_network(bench: Bench) -> None:
    """Sandboxes that see each other: set up, the first byte between two, and each with each."""
    if "sandbox network" not in bench.capabilities:
        bench.skip("sandbox-network: sandboxes cannot see each other here")
        return
    _first_byte(bench, SandboxNetwork())
    _all_with_all(bench)


def _made(samples: Samples, **spec: Any) -> Sandbox:
    with samples.sample():
        return Sandbox.create(**spec)


def _serving(net: SandboxNetwork, alias: str) -> Sandbox:
    sandbox = Sandbox.create(network=net, alias=alias)
    assert next(iter(sandbox.exec("python3", "-c", _SERVE).stdout)) == "ready\n"
    return sandbox


def _first_byte(bench: Bench, net: SandboxNetwork) -> None:
    """From connect to the first byte of a server, in another sandbox and in the same."""
    other, itself = _serving(net, "other"), _serving(net, "itself")
    times = itself.run("python3", "-c", _ASK, str(bench.samples), "other", "localhost", check=True)
    values = [float(line) for line in times.stdout.split()]
    ours, baseline = Samples(), Samples()
    ours.totals, baseline.totals = values[::2], values[1::2]
    for sandbox in (other, itself):
        sandbox.terminate()
    bench.timing("first byte from another sandbox", ours, "from the same one", baseline)


def _all_with_all(bench: Bench) -> None:
    """Setting up sandboxes that see each other, beside as many that do not; each talks to each."""
    together, apart = Samples(), Samples()
    for _ in bench.cycles(f"2 * {_MEMBERS} create + end", 5):
        net = SandboxNetwork()
        made = [_made(apart) for _ in range(_MEMBERS)]
        made += [_made(together, network=net, alias=f"s{each}") for each in range(_MEMBERS)]
        for sandbox in made:
            sandbox.terminate()
    more = together.p50 - apart.p50
    bench.fact(f"{_MEMBERS} in one network, set-up of each", more, "ms more")
    net = SandboxNetwork()
    names = [f"s{each}" for each in range(_MEMBERS)]
    made = [_serving(net, name) for name in names]
    started = time.perf_counter()
    asking = [sandbox.exec("python3", "-c", _ASK, "1", *names) for sandbox in made]
    assert all(process.wait() == 0 for process in asking)
    bench.fact(
        f"  {_MEMBERS} talk to {_MEMBERS}, one after the other", time.perf_counter() - started, "s"
    )
    for sandbox in made:
        sandbox.terminate()
