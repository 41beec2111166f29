"""GPUs. These checks use `nvidia-smi` besides the programs that all checks use."""

from ... import Capability, Engine, EngineError, Gpus, InvalidSpec, StoreFull, TaskSpec, Unsupported
from ..lab import a_lab
from ..support import equal, raises, sh, soon

NEEDS = frozenset({Capability.GPU})

LIST = "nvidia-smi -L | wc -l"


async def check_a_task_has_the_gpus_it_asked_for(engine: Engine) -> None:
    """A task sees as many GPUs as it asked for, of any kind."""
    async with a_lab(engine) as lab:
        task = await lab.task(TaskSpec(gpus=Gpus(count=1)))
        equal((await sh(task, LIST)).strip(), b"1", "how many GPUs a task sees that asked for one")


async def check_a_task_without_gpus_has_none(engine: Engine) -> None:
    """A task that did not ask for GPUs sees none."""
    async with a_lab(engine) as lab:
        seen = await sh(await lab.task(), "nvidia-smi -L 2>/dev/null | grep -F GPU || true")
        equal(seen, b"", "the GPUs of a task that asked for none")


async def check_gpus_come_back(engine: Engine) -> None:
    """The GPUs of a task that ended can be had by another one."""
    for _ in range(3):
        task = await soon(engine.create(TaskSpec(gpus=Gpus(count=1))), "create with a GPU")
        await soon(task.kill(), "kill()")


async def check_gpus_that_there_are_not(engine: Engine) -> None:
    """More GPUs than there are, or of another kind, are refused with what was asked for."""
    for gpus, shown in ((Gpus(count=10_000), "10000"), (Gpus("NO-SUCH-GPU"), "NO-SUCH-GPU")):
        call = engine.create(TaskSpec(gpus=gpus))
        error = await raises(EngineError, call, f"create with {gpus}")
        assert isinstance(error, (Unsupported, InvalidSpec, StoreFull)), f"another error: {error!r}"
        assert shown in str(error), f"the message does not show {shown}: {error}"


async def check_what_will_do_as_well(engine: Engine) -> None:
    """A task that asks for GPUs that there are not gets those that will do as well."""
    async with a_lab(engine) as lab:
        asked = Gpus("NO-SUCH-GPU", 1, (Gpus("NEITHER-THIS"), Gpus(count=1)))
        task = await lab.task(TaskSpec(gpus=asked))
        equal((await sh(task, LIST)).strip(), b"1", "how many GPUs a task has of what will do")


async def check_impossible_numbers(engine: Engine) -> None:
    """No GPU at all, or fewer, cannot be asked for: `InvalidSpec`."""
    for count in (0, -1):
        call = engine.create(TaskSpec(gpus=Gpus(count=count)))
        await raises(InvalidSpec, call, f"create with {count} GPUs")
