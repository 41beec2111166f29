"""The memory of a sandbox's processes, as it is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pytest_sandbox.engine import ProcessSpec, Snapshot

    from ...protocol.criu import DumpedState
    from .restore_helper import RestoreHelper
    from .snapshotter import Snapshotter


@dataclass(frozen=True)
class MainProcess:
    """The main process of a sandbox when its memory was dumped.

    Attributes:
        spec: how it was started.
        pid: its number in the sandbox.
        pipes: inodes of its pipes that were open, by the name of the stream.
        terminal: the number of its terminal, if it has one.
    """

    spec: ProcessSpec
    pid: int
    pipes: dict[str, int]
    terminal: int | None


class StoredMemory:
    """A snapshot of files and memory.

    Args:
        files: the snapshot of all files.
        images: a descriptor of the folder with what CRIU wrote; owned.
        state: what a restore needs besides the images.
        main: the main process, if there is one.
    """

    def __init__(
        self, files: Snapshot, images: int, state: DumpedState, main: MainProcess | None
    ) -> None:
        self.files = files
        self.images = images
        self.state = state
        self.main = main

    def begin_restore(self, snapshotter: Snapshotter) -> RestoreHelper:
        """Have a helper started that can restore the processes in a sandbox with the files.

        Raises:
            OSError: the engine has no descriptors left for it.
            EngineUnavailable: the zygote died.
        """
        from .restore_helper import RestoreHelper  # late: few runs take memory snapshots

        terminal = None if self.main is None else self.main.terminal
        masters = [] if terminal is None else [terminal]
        # A copy of the descriptor: the snapshot may be forgotten while it is restored.
        return RestoreHelper(snapshotter, self.state, masters, os.dup(self.images))

    def drop_layer(self, layer: int) -> None:
        """Close the images. A sandbox that is being restored from them has its own descriptor."""
        os.close(self.images)
