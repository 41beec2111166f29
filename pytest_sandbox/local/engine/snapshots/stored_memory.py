"""The memory of a sandbox's processes, as it is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pytest_sandbox.engine import ProcessSpec, Snapshot

    from ...protocol.criu import DumpedState


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

    def drop_layer(self, layer: int) -> None:
        """Close the images. A sandbox that is being restored from them has its own descriptor."""
        os.close(self.images)
