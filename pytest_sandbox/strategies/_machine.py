"""A machine that drives engines and a model through the same steps, and compares the answers."""

from collections.abc import Mapping

from hypothesis import settings as Settings  # noqa: N812 - a class in all but its name
from hypothesis.stateful import run_state_machine_as_test

from pytest_sandbox.engine import Engine

from ._base import Run
from ._file_steps import FileSteps
from ._image_steps import ImageSteps
from ._open_steps import OpenSteps
from ._process_steps import ProcessSteps


class SandboxMachine(FileSteps, OpenSteps, ProcessSteps, ImageSteps):
    """Steps of files, processes and images, in sandboxes of each engine that begin fresh.

    Every engine has to answer what the model says, with the same errno where there is one. What
    the model lacks, modes and owners, all engines have to answer alike.
    """


def check_engines(
    engines: Mapping[str, Engine],
    run: Run,
    *,
    images: bool = False,
    settings: Settings | None = None,
) -> None:
    """Drive engines through the same steps; they have to answer what a simple model says.

    With more than one it also shows that they answer alike. Each example has fresh sandboxes.

        loop = asyncio.new_event_loop()
        engine = MyEngine()
        loop.run_until_complete(engine.start())
        check_engines({"mine": engine}, loop.run_until_complete)

    Args:
        engines: name to engine, started.
        run: runs a coroutine on the loop that they were started on, like `run_until_complete`.
        images: also take snapshots, create sandboxes from them, and mount them; for engines
            with `Capability.SNAPSHOT`.
        settings: of hypothesis; how many examples, and how many steps each.

    Raises:
        AssertionError: an engine answers something else; the steps are shown, and how to
            repeat them.
    """

    class Machine(SandboxMachine):
        def __init__(self) -> None:
            super().__init__(engines, run, images=images)

    run_state_machine_as_test(Machine, settings=settings)
