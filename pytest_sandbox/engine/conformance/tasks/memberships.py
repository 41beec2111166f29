"""Tasks that see each other, by aliases in a network of tasks."""

from ... import Capability, Engine, InvalidSpec, Membership, Network, Task, TaskSpec
from ..lab import Lab, a_lab
from ..support import equal, raises, run
from .ports import serve

NEEDS = frozenset({Capability.SANDBOX_NETWORK, Capability.PORT})

#: Connects to a host and a port, sends the third argument, and prints all that comes; or the name
#: of the error.
CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as sock:
        sock.sendall(sys.argv[3].encode())
        sock.shutdown(socket.SHUT_WR)
        print(b"".join(iter(lambda: sock.recv(65536), b"")).decode())
except OSError as error:
    print(type(error).__name__)
"""

#: No aliases: no names, what each task means by itself, and what would be taken for an address.
_IMPOSSIBLE = ("", "a b", "*", "*.db", "-", "DB", "db.", "localhost", "10.0.0.1", "a" * 64)


async def asked(task: Task, host: str, port: int, word: str = "word") -> str:
    """What a server that echoes answers a program of a task; else the name of an error."""
    done = await run(task, "python3", "-c", CLIENT, host, str(port), word)
    return done.stdout.decode().strip()


async def member(lab: Lab, network: str, *aliases: str) -> Task:
    """A task in a network."""
    return await lab.task(TaskSpec(membership=Membership(network, aliases)))


async def check_members_reach_each_other(engine: Engine) -> None:
    """A port of the loopback interface of a task is reached by each of its aliases, both ways."""
    async with a_lab(engine) as lab:
        one = await member(lab, "seen", "one")
        two = await member(lab, "seen", "two", "second.example.com")
        port = await serve(two)
        for host in ("two", "second.example.com"):
            equal(await asked(one, host, port), "word.", f"the answer of {host}")
        equal(await asked(two, "one", await serve(one)), "word.", "the answer the other way")


async def check_an_alias_of_its_own(engine: Engine) -> None:
    """A task reaches itself by its alias; ports of members are each one's own."""
    async with a_lab(engine) as lab:
        one, two = await member(lab, "own", "one"), await member(lab, "own", "two")
        port = await serve(one)
        equal(await asked(one, "one", port), "word.", "the answer of itself")
        assert await asked(one, "two", port) != "word.", "the port of one task is another's too"
        assert await asked(two, "localhost", port) != "word.", "loopback leads to another task"


async def check_networks_are_apart(engine: Engine) -> None:
    """An alias means nothing to tasks of another network, and to those of none."""
    async with a_lab(engine) as lab:
        port = await serve(await member(lab, "here", "db"))
        for task in (await member(lab, "there"), await lab.task(), await lab.task(_WITH_A_WAY_OUT)):
            assert await asked(task, "db", port) != "word.", "a task outside of the network is in"


_WITH_A_WAY_OUT = TaskSpec(network=Network(("192.0.2.0/24",)))


async def check_the_end_of_a_member(engine: Engine) -> None:
    """The end of a task is the end of its aliases, which another one may have then."""
    async with a_lab(engine) as lab:
        client, first = await member(lab, "end"), await member(lab, "end", "db")
        port = await serve(first)
        equal(await asked(client, "db", port), "word.", "the answer of the first one")
        await first.kill()
        assert await asked(client, "db", port) != "word.", "a task that has ended answers"
        port = await serve(await member(lab, "end", "db"))
        equal(await asked(client, "db", port), "word.", "the answer of its successor")


async def check_the_latest_has_the_alias(engine: Engine) -> None:
    """Of two tasks with one alias the later one has it, while it lives."""
    async with a_lab(engine) as lab:
        client, first = await member(lab, "latest"), await member(lab, "latest", "db")
        port = await serve(first)
        second = await member(lab, "latest", "db")
        equal(await asked(client, "db", await serve(second)), "word.", "the answer of the second")
        await second.kill()
        equal(await asked(client, "db", port), "word.", "the answer of the first")


async def check_impossible_aliases(engine: Engine) -> None:
    """What can be no alias is refused, and the message shows it: `InvalidSpec`."""
    for alias in _IMPOSSIBLE:
        spec = TaskSpec(membership=Membership("impossible", ("db", alias)))
        error = await raises(InvalidSpec, engine.create(spec), f"create with the alias {alias!r}")
        assert repr(alias) in str(error), f"the message does not show {alias!r}: {error}"
    spec = TaskSpec(membership=Membership("", ("db",)))
    await raises(InvalidSpec, engine.create(spec), "create in a network without a name")
    network = Network(("198.18.4.0/24",))
    spec = TaskSpec(network=network, membership=Membership("impossible"))
    await raises(InvalidSpec, engine.create(spec), "create with addresses of members allowed")
