"""What every engine must do, as checks that any engine can run.

Each check is a coroutine function that takes a started engine and raises `AssertionError`
where the engine breaks one sentence of the contract; its docstring is that sentence. The checks
need no pytest. With it, an engine is proved like this:

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
are given, so that each needs one of its own.

What an engine says it can do, it has to do right; what it says it cannot, it has to refuse.

Inside a task the checks use `/bin/sh` and, by name, `cat chmod chown echo env false grep head kill
ln ls mkdir mv printf pwd rm seq sleep tail test touch true uname wc`; besides `stty` and `tty` on
terminals, `nvidia-smi` on GPUs, and for ports `python3 -c SERVER MODE`, which an engine without
real programs has to play.
"""

from . import files, processes, snapshots, tasks
from .check import Check as Check
from .check import CheckFunction as CheckFunction
from .tasks.ports import SERVER as SERVER

#: The whole contract but the end of an engine, in the order in which it is best read.
CHECKS = (*processes.CHECKS, *tasks.CHECKS, *files.CHECKS, *snapshots.CHECKS)

#: What happens when an engine is closed; each check closes the engine that it is given.
CLOSING = tasks.CLOSING

__all__ = ["CHECKS", "CLOSING", "SERVER", "Check", "CheckFunction"]
