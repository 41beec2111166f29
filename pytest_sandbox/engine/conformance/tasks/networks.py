"""Networks besides the loopback interface.

What lies outside differs from machine to machine, so these checks are about what every engine
refuses.
"""

import asyncio

from ... import (
    OPEN_NETWORK,
    Capability,
    ConnectionFault,
    Engine,
    InvalidSpec,
    Network,
    SupportsConnectionFaults,
    SupportsNetworkChange,
    TaskSpec,
)
from ..lab import a_lab
from ..support import equal, raises, sh, soon
from .memberships import asked

NEEDS = frozenset({Capability.NETWORK})

#: No networks: with bits beyond the prefix, without an address, with one too long, with a zone.
_IMPOSSIBLE = ("10.0.0.1/8", "example.com", "", "10.0.0.0/33", "fe80::%1/64")


async def check_a_task_may_have_a_network(engine: Engine) -> None:
    """A task with a network runs commands as any other does, whatever its network is."""
    async with a_lab(engine) as lab:
        for network in (Network(), OPEN_NETWORK, Network(("192.0.2.0/24", "2001:db8::/32"))):
            task = await lab.task(TaskSpec(network=network))
            equal(await sh(task, "echo fine"), b"fine\n", f"a command in a task with {network}")


async def check_another_network(engine: Engine) -> None:
    """The network of a task can be replaced, also if there was none; not by an impossible one."""
    async with a_lab(engine) as lab:
        change = SupportsNetworkChange.of(await lab.task(TaskSpec(network=OPEN_NETWORK)))
        await soon(change.set_network(Network(("192.0.2.0/24",))), "set_network()")
        await raises(InvalidSpec, change.set_network(Network(("x",))), "set_network(x)")
        task = await lab.task()
        equal(await asked(task, "192.0.2.1", 80), "OSError", "a connection without a network")
        without = SupportsNetworkChange.of(task)
        changes = [without.set_network(each) for each in (OPEN_NETWORK, Network())]
        await soon(asyncio.gather(*changes), "set_network() of a task without a network, twice")
        equal(await asked(task, "192.0.2.1", 80), "ConnectionResetError", "a denied connection")


async def check_connection_faults(engine: Engine) -> None:
    """Faults of connections are set, counted, changed and cleared; impossible ones are refused."""
    if not isinstance(engine, SupportsConnectionFaults):
        return
    for effect in ("refuse", "reset", "black hole", "none"):
        await engine.set_fault(ConnectionFault("f", "192.0.2.0/24", delay=0.1, effect=effect))
    equal(dict(await engine.fault_counts(["f", "g"])), {"f": (0, 0)}, "fault_counts()")
    await engine.clear_faults(["f", "g"])
    equal(dict(await engine.fault_counts(["f"])), {}, "fault_counts() after clear_faults()")
    for fault in (
        ConnectionFault("f", "not a host"),
        ConnectionFault("f", "*", port=70_000),
        ConnectionFault("f", "*", delay=-1.0),
        ConnectionFault("f", "192.0.2.1", effect="no answer"),
        ConnectionFault("f", "a.example", effect="resolve", addresses=("b.example",)),
    ):
        await raises(InvalidSpec, engine.set_fault(fault), f"set_fault({fault})")


async def check_impossible_networks(engine: Engine) -> None:
    """What is no network is refused, and the message shows it: `InvalidSpec`."""
    for text in _IMPOSSIBLE:
        call = engine.create(TaskSpec(network=Network(("192.0.2.0/24", text))))
        error = await raises(InvalidSpec, call, f"create with the network {text!r}")
        assert repr(text) in str(error), f"the message does not show {text!r}: {error}"
