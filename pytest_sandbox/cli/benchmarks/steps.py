"""The figures of what a sandbox and a command consist of, down to what the kernel takes."""

import asyncio
import subprocess

from pytest_sandbox import Sandbox
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions

from .alternatives import BUBBLEWRAP
from .baselines import FRESH_FOLDER, TRUE, plain_subprocess, why_not
from .samples import Samples
from .sandboxes import first_output
from .session import Bench

#: Programs that set up what a sandbox has, or part of it, and run another one in it: unshare of
#: util-linux, and bubblewrap.
_KERNEL = {
    "namespaces": (
        *("unshare", "--user", "--map-root-user", "--mount", "--net", "--uts", "--ipc"),
        *("--cgroup", "--pid", "--fork"),
    ),
    "namespaces and mounts": BUBBLEWRAP,
}
_ECHO = ProcessSpec(("echo", "hello"))


#: What the figures are called.
_CREATE, _RUN, _CALL = (
    "create -> first output",
    "run -> output, exit code",
    "a call that does nothing",
)


class _Alone:
    """An engine in this process, whose loop runs only while it is asked for something."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._engine = LocalEngine(LocalOptions(pool=False))
        self._loop.run_until_complete(self._engine.start())
        self._task = self._loop.run_until_complete(self._engine.create(TaskSpec()))

    def measure(self, samples: dict[str, Samples]) -> None:
        """Take a sample of each."""
        self._loop.run_until_complete(self._measure(samples))

    def close(self) -> None:
        """End it."""
        self._loop.run_until_complete(self._engine.close())
        self._loop.close()

    async def _measure(self, samples: dict[str, Samples]) -> None:
        with samples[_CREATE].sample():
            task = await self._engine.create(TaskSpec(main=_ECHO))
            assert task.main is not None
            await task.main.stdout.read(0)
        await task.kill()
        with samples[_RUN].sample():
            process = await self._task.exec(_ECHO)
            await process.stdout.read(0)
            await process.wait()


def steps(bench: Bench) -> None:
    """The same through client, server and engine; in the engine alone; and in the kernel."""
    through = {name: Samples() for name in (_CREATE, _RUN, _CALL)}
    alone = {name: Samples() for name in (_CREATE, _RUN)}
    kernel = {name: Samples() for name, argv in _KERNEL.items() if not why_not(*argv)}
    baseline = bench.baseline()
    engine = _Alone()
    with bench.engine_without_spares():
        sandbox = Sandbox.create()
        for _ in bench.cycles("steps: each once"):
            plain_subprocess(baseline)
            _through_the_client(sandbox, through)
            engine.measure(alone)
            for name, samples in kernel.items():
                with samples.sample():
                    subprocess.run([*_KERNEL[name], TRUE], check=True)
        sandbox.terminate()
    engine.close()
    for prefix, each in (("", through), ("engine alone: ", alone), ("kernel: ", kernel)):
        for name, samples in each.items():
            bench.timing(f"steps: {prefix}{name}", samples, FRESH_FOLDER, baseline)


def _through_the_client(sandbox: Sandbox, samples: dict[str, Samples]) -> None:
    first_output(samples[_CREATE]).terminate()
    with samples[_RUN].sample():
        sandbox.run("echo", "hello")
    with samples[_CALL].sample():
        sandbox.poll()
