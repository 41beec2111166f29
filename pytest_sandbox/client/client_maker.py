"""How the default client is made, for the objects that ask for it.

`Client` imports the objects that it offers, and they import `default_client`, which therefore
cannot import `Client`. The package sets this. It is imported before any of its modules, so this is
set whichever of them a program imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base_client import BaseClient

#: Makes a client of the engine at a socket, with an app for sandboxes that are created without one,
#: and the name of the engine; that is empty if it has to be asked for.
make_client: Callable[[str, str, str], BaseClient]
