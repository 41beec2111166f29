"""Checks of limits. An engine that cannot enforce one refuses it instead of ignoring it."""

from contextlib import suppress

from ... import (
    Capability,
    EndCause,
    Engine,
    InvalidSpec,
    Limits,
    Requests,
    SupportsUsage,
    TaskSpec,
    Unsupported,
)
from ..check import requires
from ..support import SUCCESS, a_task, equal, raises, run, sh, soon

MEBIBYTE = 2**20

#: Needs the given number of bytes of memory: `tail` holds what it may have to print.
HOG = "head -c {size} /dev/zero | tail -c {size} | wc -c"


async def check_limits_are_held_or_refused(engine: Engine) -> None:
    """A limit that an engine cannot enforce is refused by name; it is never ignored."""
    for what, limits in (
        ("cpu", Limits(cpus=0.5)),
        ("memory", Limits(memory=256 * MEBIBYTE)),
        ("process", Limits(processes=100)),
    ):
        try:
            task = await soon(engine.create(TaskSpec(limits=limits)), f"create with {limits}")
        except Unsupported as error:
            equal(what in str(error).lower(), True, f"whether {error} names the {what} limit")
            continue
        equal((await run(task, "true")).status, SUCCESS, f"true, with {limits}")
        await soon(task.kill(), "kill()")


async def check_impossible_limits(engine: Engine) -> None:
    """A limit that leaves nothing is refused with `InvalidSpec`."""
    for limits in (
        Limits(cpus=0.0),
        Limits(cpus=-1.0),
        Limits(cpus=float("nan")),
        Limits(cpus=float("inf")),
        Limits(cpus=1e300),
        Limits(memory=0),
        Limits(memory=-1),
        Limits(memory=4096),
        Limits(memory=2**64),
        Limits(processes=0),
        Limits(processes=-1),
        Limits(processes=2**31),
    ):
        await raises(InvalidSpec, engine.create(TaskSpec(limits=limits)), f"create with {limits}")


async def check_requests_bound_nothing(engine: Engine) -> None:
    """A task that needs more than it was expected to need has it; nonsense is refused."""
    spec = TaskSpec(requests=Requests(cpus=0.001, memory=1))
    task = await soon(engine.create(spec), f"create({spec})")
    done = await run(task, "/bin/sh", "-c", HOG.format(size=8 * MEBIBYTE))
    equal(done.stdout.strip(), b"%d" % (8 * MEBIBYTE), "8 MiB, with a request for a byte")
    await soon(task.kill(), "kill()")
    for requests in (
        Requests(cpus=0.0),
        Requests(cpus=float("nan")),
        Requests(cpus=float("inf")),
        Requests(memory=-1),
        Requests(memory=2**64),
    ):
        spec = TaskSpec(requests=requests)
        await raises(InvalidSpec, engine.create(spec), f"create with {requests}")


@requires(Capability.MEMORY_LIMIT)
async def check_memory_limit(engine: Engine) -> None:
    """A process that needs more memory than the task may have is killed; the task lives on."""
    async with a_task(engine, limits=Limits(memory=64 * MEBIBYTE)) as task:
        greedy = await run(task, "/bin/sh", "-c", HOG.format(size=200 * MEBIBYTE))
        assert greedy.stdout.strip() != b"%d" % (200 * MEBIBYTE), "200 MiB fit into 64"
        modest = await run(task, "/bin/sh", "-c", HOG.format(size=8 * MEBIBYTE))
        equal(modest.stdout.strip(), b"%d" % (8 * MEBIBYTE), "8 MiB, afterwards")
        assert task.poll() is None, f"the task ended: {task.poll()}"
        if isinstance(task, SupportsUsage):
            kills = (await soon(task.usage(), "usage()")).oom_kills
            assert kills is None or kills > 0, "the process that was killed is not counted"


@requires(Capability.MEMORY_LIMIT)
async def check_main_out_of_memory(engine: Engine) -> None:
    """When the main process is killed for memory, the end of the task says so."""
    main = ("tail", "-c", str(500 * MEBIBYTE))  # holds what it reads until its input ends
    async with a_task(engine, *main, limits=Limits(memory=64 * MEBIBYTE)) as task:
        assert task.main is not None, "a task with a main process has no main"
        with suppress(BrokenPipeError):
            for _ in range(500):
                await soon(task.main.write_stdin(bytes(MEBIBYTE)), "write_stdin()")
        end = await soon(task.wait(), "a main process that needs too much memory")
        equal(end.cause, EndCause.OUT_OF_MEMORY, "the cause")
        assert "64 MiB" in end.detail, f"the limit is not named: {end.detail!r}"


@requires(Capability.MEMORY_LIMIT)
async def check_memory_limits_are_separate(engine: Engine) -> None:
    """What one task uses does not count against another."""
    limits = Limits(memory=64 * MEBIBYTE)
    async with a_task(engine, limits=limits) as one, a_task(engine, limits=limits) as other:
        for task in (one, other):
            size = 30 * MEBIBYTE
            equal(await sh(task, HOG.format(size=size)), b"%d\n" % size, "30 MiB of 64")


async def check_a_process_limit_holds(engine: Engine) -> None:
    """A task that may have few processes cannot make many, and works again afterwards."""
    spec = TaskSpec(limits=Limits(processes=40))
    try:
        task = await soon(engine.create(spec), "create")
    except Unsupported:
        return  # `check_limits_are_held_or_refused` looks at the refusal
    try:
        script = "for i in $(seq 200); do sleep 100000 & done; echo all"
        crowd = await run(task, "/bin/sh", "-c", script)
        assert b"all" not in crowd.stdout, "200 processes ran where 40 may"
        equal((await run(task, "true")).status, SUCCESS, "true, with a crowd")
    finally:
        await soon(task.kill(), "kill()")
