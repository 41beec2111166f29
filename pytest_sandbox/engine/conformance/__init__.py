"""The conformance suite: what every engine must do, as checks that any engine can run.

Each check is a coroutine function that takes a started engine and raises `AssertionError`
where the engine breaks one sentence of the contract; its docstring is that sentence. The checks
need no pytest, but run in it like this:

    @pytest.mark.asyncio
    @pytest.mark.parametrize("check", CHECKS, ids=str)
    async def test_contract(check: Check) -> None:
        engine = MyEngine()
        info = await engine.start()
        if mismatch := check.mismatch(info.capabilities):
            pytest.skip(mismatch)
        await check.run(engine)
        await engine.close()

`CHECKS` may share one engine, also at the same time. Those of `CLOSING` close the engine they
are given, so each of them needs an engine of its own.

An engine must do what its capabilities say, and refuse everything else. Checks of an engine without
`Capability.ISOLATION` get `RelocatedEngine(engine)` instead, which puts the paths in them below the
folders of its tasks. Those that say what isolation is do not apply to it; `Check.isolated` has the
reason.

Inside a task the checks use `/bin/sh` and, by name, `cat chmod chown echo env false grep head kill
ln ls mkdir mv printf pwd rm seq sleep tail test touch true uname wc`; besides `stty` and `tty` on
terminals, `nvidia-smi` on GPUs, for ports `python3 -c SERVER MODE`, and for networks of tasks
`python3 -c CLIENT HOST PORT WORD`. An engine without real programs has to simulate these.
"""

from . import files, processes, snapshots, tasks
from .check import Check as Check
from .check import CheckFunction as CheckFunction
from .relocated import RelocatedEngine as RelocatedEngine
from .tasks.memberships import CLIENT as CLIENT
from .tasks.ports import SERVER as SERVER

#: The whole contract but the end of an engine, in the order in which it is best read.
CHECKS = (*processes.CHECKS, *tasks.CHECKS, *files.CHECKS, *snapshots.CHECKS)

#: What happens when an engine is closed; each check closes the engine that it is given.
CLOSING = tasks.CLOSING

__all__ = ["CHECKS", "CLIENT", "CLOSING", "SERVER", "Check", "CheckFunction", "RelocatedEngine"]
