"""Ends the sandboxes of runs that were killed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from grpclib import GRPCError

from .live import account, left_runs
from .sandboxes import end_all, is_second, tagged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .control import ControlPlane

log = logging.getLogger("pytest_sandbox.cloud")


async def end_leftovers(
    control: ControlPlane, directory: Path, tell: Callable[[str, str, bool], None]
) -> None:
    """End all that runs of this machine have left behind.

    What cannot be ended stays in the file of its run, for the next time.

    Args:
        control: Modal.
        directory: of the files of all runs.
        tell: called for each sandbox with the id of its run, its own, and whether it was ended.
    """
    with left_runs(directory, account(control.settings)) as runs:
        for run in runs:
            ids = dict.fromkeys(sorted(run.ids))
            listed = True
            try:
                ids.update(dict.fromkeys(await tagged(control, run.run)))
            except GRPCError as error:
                listed = False
                log.warning("the sandboxes of the run %s cannot be listed: %s", run.run, error)
            left = await end_all(control, [(each, is_second(each)) for each in ids])
            for sandbox_id in ids:
                tell(run.run, sandbox_id, sandbox_id not in left)
            if listed and not left:
                run.forget()
