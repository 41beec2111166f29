"""A run: its directory, its lease and its one engine process. No gRPC, no pytest.

    pytest-sandbox-XXXXXXXX/     0700, made by `Run.create`
        lease                    locked by the owner of the run for as long as it lives
        run.json                 for processes that inherit the run: see `inheritance`
        start.lock               locked while the engine starts; then holds the result
        socket                   where the engine process serves
        server.log               its standard error
        reported-XXXXXXXX        where an error of the engine's start was first reported
        templates/               a file for each template that a worker builds or has built

The lease is a record lock (`F_SETLK` of fcntl_locking(2)): the kernel releases it when the owner
dies, however it dies, and `fork` does not inherit it. The engine process waits for that lock, and
ends everything when it gets it. So no code of the owner has to run for a run to be cleaned up. If
the engine process was killed too, or never started, the next engine process removes the directory.

`start.lock` is locked with flock(2), whose lock belongs to the open file, and the engine process
inherits that. So the lock is held until the engine has started, failed, or is gone, even if the
process that started it is killed meanwhile: no second engine starts beside the first.

Importing this costs next to nothing, because the plugin does in every run of pytest. The names are
imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine_process import EngineProcess as EngineProcess
    from .errors import EngineStartError as EngineStartError
    from .inheritance import RUN_VARIABLE as RUN_VARIABLE
    from .inheritance import Announcement as Announcement
    from .inheritance import app_name as app_name
    from .inheritance import inherited as inherited
    from .modal_variables import UNSET as UNSET
    from .modal_variables import modal_environment as modal_environment
    from .modal_variables import with_modal_environment as with_modal_environment
    from .run import Run as Run

__all__ = [
    "RUN_VARIABLE",
    "UNSET",
    "Announcement",
    "EngineProcess",
    "EngineStartError",
    "Run",
    "app_name",
    "inherited",
    "modal_environment",
    "with_modal_environment",
]

_WHERE = {
    "EngineProcess": "engine_process",
    "EngineStartError": "errors",
    "RUN_VARIABLE": "inheritance",
    "Announcement": "inheritance",
    "app_name": "inheritance",
    "inherited": "inheritance",
    "UNSET": "modal_variables",
    "modal_environment": "modal_variables",
    "with_modal_environment": "modal_variables",
    "Run": "run",
}

#: Returns the default client of this process while a test run has one. The plugin sets it and the
#: client calls it; it is here because the plugin must not load the client before a test needs it.
default_client: Callable[[], Any] | None = None


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    return value
