"""The figures of networks, with a local engine."""

import pytest

from pytest_sandbox.cli.benchmarks import networks
from pytest_sandbox.cli.benchmarks.session import Bench
from pytest_sandbox.client import Client


def test_networks_are_measured_beside_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_MB", 1)
    monkeypatch.setattr(networks, "_MEMBERS", 2)
    monkeypatch.setattr(networks, "_BUSY", 5)
    before = Client.set_default(None)
    try:
        with Bench(samples=2, live=1) as bench:
            if "network" not in bench.capabilities:
                pytest.skip("the engine cannot do this here: no network")
            networks.network(bench)
            monkeypatch.setattr(networks, "_own_address", lambda: None)
            networks.network(bench)
            bench.finish()
    finally:
        Client.set_default(before)

    assert bench.leftovers == []
    created = ["create with an open network", "create in a network of 2 sandboxes"]
    connected = ["first byte through the relay", "call beside 5 busy connections"]
    names = [row["name"] for row in bench.timings]
    reason = "connections out of sandboxes: this machine has no address but loopback"
    # A machine without an address is told so twice.
    assert names in ([*created, *connected, *created], created * 2)
    assert bench.skipped == [reason] * (1 if connected[0] in names else 2)
