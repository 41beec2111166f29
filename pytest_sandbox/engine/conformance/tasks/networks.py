"""Networks besides the loopback interface.

What lies outside differs from machine to machine, so these checks are about what every engine
refuses.
"""

from ... import (
    OPEN_NETWORK,
    Capability,
    Engine,
    InvalidSpec,
    Network,
    SupportsNetworkChange,
    TaskSpec,
)
from ..lab import a_lab
from ..support import equal, raises, sh, soon

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
    """The network of a task can be replaced; not by an impossible one, nor if there is none."""
    async with a_lab(engine) as lab:
        change = SupportsNetworkChange.of(await lab.task(TaskSpec(network=OPEN_NETWORK)))
        await soon(change.set_network(Network(("192.0.2.0/24",))), "set_network()")
        await raises(InvalidSpec, change.set_network(Network(("x",))), "set_network(x)")
        without = SupportsNetworkChange.of(await lab.task())
        await raises(InvalidSpec, without.set_network(Network()), "set_network() without a network")


async def check_impossible_networks(engine: Engine) -> None:
    """What is no network is refused, and the message shows it: `InvalidSpec`."""
    for text in _IMPOSSIBLE:
        call = engine.create(TaskSpec(network=Network(("192.0.2.0/24", text))))
        error = await raises(InvalidSpec, call, f"create with the network {text!r}")
        assert repr(text) in str(error), f"the message does not show {text!r}: {error}"
