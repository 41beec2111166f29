"""`pytest-sandbox prune --engine modal`: ends what runs that were killed have left in the cloud."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .control import ControlPlane
from .leftovers import end_leftovers
from .live import state_directory
from .transport.settings import read_settings
from .warnings_of_modal import CloudWarnings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CloudLeftover:
    """A sandbox that a run has left behind.

    Attributes:
        run: the id of the run, as in the tag `pytest-sandbox-run` of the sandbox.
        sandbox_id: of the sandbox.
        ended: whether it could be ended, or had ended.
    """

    run: str
    sandbox_id: str
    ended: bool


def prune_cloud(environ: Mapping[str, str]) -> list[CloudLeftover]:
    """End the sandboxes of runs of this machine that were killed.

    Args:
        environ: the environment variables, for the credentials.

    Raises:
        EngineUnavailable: there are no credentials.
    """
    found: list[CloudLeftover] = []

    async def work() -> None:
        control = ControlPlane(read_settings(environ), CloudWarnings())
        try:
            await end_leftovers(
                control,
                state_directory(environ),
                lambda *what: found.append(CloudLeftover(*what)),
            )
        finally:
            control.close()
            await asyncio.sleep(0)  # in which the connections end

    asyncio.run(work())
    return found
