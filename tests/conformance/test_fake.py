"""The engine in memory keeps the contract, on the time of the machine and on time that skips."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.cluster import ClusterEngine, Node, Placement, Placer
from pytest_sandbox.engine import Capability, Engine, SystemClock, TaskSpec
from pytest_sandbox.engine.conformance import CHECKS, CLIENT, CLOSING, SERVER, Check
from pytest_sandbox.engine.conformance.snapshots.memory import COUNTER
from pytest_sandbox.fakes import ANY, Call, FakeEngine, Peer, VirtualClock, new_event_loop
from pytest_sandbox.fakes.shell.shell import Shell

if TYPE_CHECKING:
    from pytest_sandbox.fakes.scripting.peer import PeerHandler

#: What the engine in memory promises: it cannot snapshot the memory of a shell in a script, and has
#: no files of images of registries.
PROMISED = [
    check
    for check in [*CHECKS, *CLOSING]
    if check.name != "memory.other_processes_resume_too" and Capability.IMAGE not in check.needs
]
#: What takes long and has nothing to do with time.
BIG = (
    *("output.big_output", "output.big_output_without_a_reader", "output.flow_control"),
    *("limits.memory_limits_are_separate", "files.many_names", "snapshots.many_files"),
    *("trees.many_files", "trees.deep_trees", "export.deep_trees"),
)


async def serve(call: Call) -> None:
    """What the server of the checks of ports does, which is a program in Python."""

    async def echo(peer: Peer) -> bytes:
        while data := await peer.read():
            await peer.write(data)
        return b"."

    async def break_off(peer: Peer) -> None:
        await peer.read(1)
        peer.break_off()

    async def deaf(peer: Peer) -> None:
        await asyncio.get_running_loop().create_future()

    handlers: dict[str, PeerHandler] = {
        "echo": echo, "talk": lambda peer: b"hello", "break": break_off, "deaf": deaf,
    }  # fmt: skip
    call.out(f"{call.listen(0, handlers[call.argv[-1]])}\n")
    await call.flush()
    await asyncio.get_running_loop().create_future()


async def ask(call: Call) -> None:
    """What the client of the checks of networks of tasks does."""
    host, port, word = call.argv[-3:]
    try:
        connection = await call.connect(host, int(port))
        await connection.write(word)
        connection.end()
        call.out(await connection.read_all())
    except OSError as error:
        call.out(type(error).__name__)


async def count(call: Call) -> None:
    """What the shell script of the checks of memory does, without a shell in the snapshot."""
    shell = Shell(call._proc, "sh", (), bash=False)
    shell.variables.update(call.state.get("variables", {}))
    call.state["variables"] = shell.variables
    while line := await call.read():
        call.state["n"] = call.state.get("n", 0) + 1
        await shell.run_text(line.decode())
        call.out(f"{call.state['n']}\n")
        await call.flush()


async def run(check: Check, engine: Engine, scripted: Collection[FakeEngine]) -> None:
    info = await engine.start()
    if mismatch := check.mismatch(info.capabilities):
        pytest.skip(mismatch)
    for each in scripted:
        each.on_exec("python3", "-c", SERVER, ANY).calls(serve)
        each.on_exec("python3", "-c", CLIENT, ...).calls(ask)
        each.on_exec(*COUNTER.argv).calls(count)
    await check.run(engine)
    await engine.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("check", PROMISED, ids=str)
async def test_contract(check: Check) -> None:
    engine = FakeEngine(clock=SystemClock())
    await run(check, engine, [engine])


class OneByOne(Placer):
    """Has the sandboxes of each check on one node."""

    name = "one by one"

    def __init__(self, check: Check) -> None:
        self.engines = [FakeEngine(clock=SystemClock()), FakeEngine(clock=SystemClock())]
        self._turn = len(check.name) % 2

    async def start(
        self, joined: Callable[[Node], None], left: Callable[[Node, str], None]
    ) -> None:
        for number, engine in enumerate(self.engines):
            joined(Node(f"n{number}", engine, await engine.start()))

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        return OnePlace(list(among)[self._turn % len(among)])

    async def close(self) -> None:
        for engine in self.engines:
            await engine.close()


class OnePlace(Placement):
    def __init__(self, node: Node) -> None:
        self.node = node

    async def release(self) -> None:
        pass


@pytest.mark.asyncio
@pytest.mark.parametrize("check", [check for check in PROMISED if check.name not in BIG], ids=str)
async def test_contract_of_a_cluster(check: Check) -> None:
    placer = OneByOne(check)
    engine = ClusterEngine(placer, SystemClock())
    await run(check, engine, placer.engines)


@pytest.mark.parametrize("check", [check for check in PROMISED if check.name not in BIG], ids=str)
def test_contract_while_time_skips(check: Check) -> None:
    clock = VirtualClock()
    loop = new_event_loop(clock)
    try:
        engine = FakeEngine(clock=clock)
        loop.run_until_complete(run(check, engine, [engine]))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
