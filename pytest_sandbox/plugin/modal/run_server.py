"""The server of a process for real Modal clients, on the engine of the run.

Each worker of pytest-xdist has its own, with apps, names, volumes and secrets of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_sandbox._shared.real import real_files

from .client_state import ClientState, close

if TYPE_CHECKING:
    from ..engine import EngineSession


class RunServer:
    """A server that lives as long as the engine.

    So does the connection of `modal` in this process: what a program has looked up and remembers,
    such as an app, is valid in later tests too.

    Attributes:
        address: where it is.
        client: a client of it.
        state: of `modal`, from one test to the next.
    """

    @real_files()  # which modules keep that are imported now
    def __init__(self, session: EngineSession) -> None:
        from pytest_sandbox.client import Client

        self.address = session.client().inspector.serve()
        self.client = Client(self.address.socket)
        self.state = ClientState()

    def close(self) -> None:
        """Close the connections."""
        if "modal.client" in sys.modules:
            close(self.state)
        self.client.close()
