"""Exit snapshots: of the files of tasks as they were when these ended."""

from ... import (
    Capability,
    EndCause,
    Engine,
    InvalidSpec,
    ProcessSpec,
    SupportsExitSnapshots,
    TaskSpec,
)
from ..lab import a_lab
from ..support import equal, raises, sh

NEEDS = frozenset({Capability.SNAPSHOT})


async def check_exit_snapshots(engine: Engine) -> None:
    """However a task ends, its exit snapshot has all its files, those in snapshots before too."""
    main = ProcessSpec(("sh", "-c", "echo 1 > /srv/a"))
    async with a_lab(engine) as lab:
        first = await lab.task(TaskSpec(main=main, exit_snapshot=True))
        equal((await first.wait()).cause, EndCause.EXITED, "how the task ended")
        image = await lab.exit_snapshot(first)
        second = await lab.task(TaskSpec(image=image, exit_snapshot=True))
        await sh(second, "echo 2 > /srv/b")
        await lab.snapshot(second)
        await sh(second, "echo 3 > /srv/c; rm /srv/a")
        await second.kill()
        third = await lab.copy(await lab.exit_snapshot(second))
        equal(await sh(third, "cd /srv; echo *; cat *"), b"b c\n2\n3\n", "the files")
        without = SupportsExitSnapshots.of(third).exit_snapshot()
        await raises(InvalidSpec, without, "exit_snapshot() of a task that was to have none")
