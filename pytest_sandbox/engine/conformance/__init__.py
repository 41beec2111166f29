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

from . import (
    _agreement,
    _closing,
    _errors,
    _export,
    _files,
    _gpus,
    _layers,
    _limits,
    _memory,
    _mounts,
    _open,
    _output,
    _ports,
    _prepare,
    _processes,
    _pty,
    _refusals,
    _signals,
    _snapshots,
    _stdin,
    _tasks,
    _trees,
    _volume_images,
    _volumes,
    _watch,
)
from ._check import Check as Check
from ._check import CheckFunction as CheckFunction
from ._check import collect
from ._ports import SERVER as SERVER

#: The whole contract but the end of an engine, in the order in which it is best read.
CHECKS = collect(
    _processes,
    _errors,
    _signals,
    _output,
    _stdin,
    _tasks,
    _files,
    _open,
    _trees,
    _watch,
    _limits,
    _pty,
    _snapshots,
    _layers,
    _mounts,
    _export,
    _prepare,
    _memory,
    _ports,
    _volumes,
    _volume_images,
    _gpus,
    _agreement,
    _refusals,
)

#: What happens when an engine is closed; each check closes the engine that it is given.
CLOSING = collect(_closing)

__all__ = ["CHECKS", "CLOSING", "SERVER", "Check", "CheckFunction"]
