"""Tasks beside another one, whose limits they share, and tasks that join a network late."""

from contextlib import suppress

from ... import (
    Capability,
    Engine,
    InvalidSpec,
    Limits,
    Membership,
    ProcessSpec,
    SpawnFailed,
    StoreFull,
    SupportsSidecars,
    TaskEnded,
    TaskSpec,
)
from ..check import requires
from ..lab import a_lab
from ..support import equal, raises, run
from .memberships import asked
from .ports import serve

NEEDS = frozenset({Capability.SANDBOX_NETWORK, Capability.PORT})


async def check_a_task_joins_a_network_late(engine: Engine) -> None:
    """A task that was created in no network reaches the members of one once it has joined."""
    async with a_lab(engine) as lab:
        late = await lab.task()
        db = await lab.task(TaskSpec(membership=Membership("joined", ("db",))))
        port = await serve(db)
        assert await asked(late, "db", port) != "word.", "it reaches a network that it is not in"
        await SupportsSidecars.of(late).join(Membership("joined", ("late",)))
        equal(await asked(late, "db", port), "word.", "the answer of a member")
        own = await serve(late)
        equal(await asked(db, "late", own), "word.", "the answer the other way")
        equal(await asked(late, "late", own), "word.", "the answer of itself")


async def check_a_network_is_joined_once(engine: Engine) -> None:
    """A task that has a membership gets no other, and an impossible one is refused."""
    async with a_lab(engine) as lab:
        task = await lab.task()
        joining = SupportsSidecars.of(task)
        wrong = joining.join(Membership("once", ("no name",)))
        await raises(InvalidSpec, wrong, "join() with an impossible alias")
        await joining.join(Membership("once", ("one",)))
        again = joining.join(Membership("twice", ("two",)))
        await raises(InvalidSpec, again, "a second join()")
        await task.kill()
        late = joining.join(Membership("once", ("one",)))
        await raises(TaskEnded, late, "join() of a task that has ended")


async def check_a_sidecar_is_a_task_of_its_own(engine: Engine) -> None:
    """It has files and processes of its own, and neither of the two ends with the other."""
    async with a_lab(engine) as lab:
        main = await lab.task()
        first = await lab.sidecar(main)
        assert (await run(first, "sh", "-c", "echo x > /root/own")).status.code == 0
        assert (await run(main, "cat", "/root/own")).status.code != 0, "files of a sidecar show"
        await first.kill()
        equal((await run(main, "echo", "there")).stdout, b"there\n", "the task after that")
        second = await lab.sidecar(main)
        await main.kill()
        equal((await run(second, "echo", "there")).stdout, b"there\n", "the sidecar after that")
        late = SupportsSidecars.of(main).create_sidecar(TaskSpec())
        await raises(TaskEnded, late, "create_sidecar() of a task that has ended")


@requires(Capability.MEMORY_LIMIT)
async def check_a_sidecar_shares_limits(engine: Engine) -> None:
    """The processes of a task and of one beside it count together.

    An engine that can limit no memory may count each alone: the kernel alone limits processes then.
    """
    async with a_lab(engine) as lab:
        main = await lab.task(TaskSpec(limits=Limits(processes=12)))
        sidecar = await lab.sidecar(main)
        started = 0
        with suppress(SpawnFailed, StoreFull):
            for task in (main, sidecar) * 10:
                await task.exec(ProcessSpec(("sleep", "1000")))
                started += 1
        assert started <= 12, f"{started} processes run where 12 may"
