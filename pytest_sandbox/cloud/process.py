"""What the process does once it has read its arguments: serve, until its run ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from typing import TYPE_CHECKING, Any

import grpclib.client

from pytest_sandbox._shared.engine_options import parse_engine_options
from pytest_sandbox.engine import EngineUnavailable, check_options, invalid_option
from pytest_sandbox.server import say, serve_run

from .application import CloudApplication
from .greeting import greet
from .inspected import CAPABILITIES, MODE, NAME, details
from .leftovers import end_leftovers
from .live import LiveFile, account, state_directory
from .transport.identity import user_agent
from .transport.settings import read_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

log = logging.getLogger("pytest_sandbox.cloud")

#: Seconds that the end of a short run waits until what earlier ones left is ended.
_LEFTOVERS_TIMEOUT = 2.0
#: Seconds that a sandbox may live, unless an option says otherwise, and those that Modal allows.
LIFETIME, LONGEST = 3600, 24 * 3600


def run_cloud(options: argparse.Namespace) -> int:
    """Serve until the run ends; the exit status is 1 if that could not begin."""
    return serve_run(options.run_dir, lambda stop: _serve(options, stop))


async def _serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    try:
        given = parse_engine_options(options.engine_option)
    except ValueError as error:
        raise EngineUnavailable(f"--engine-option: {error}") from None
    lifetime = _lifetime(given)
    settings = read_settings(os.environ)
    # The only way to name it: this process makes no other calls.
    grpclib.client.USER_AGENT = user_agent(settings)  # type: ignore[attr-defined]
    directory = state_directory(os.environ)
    try:
        live = LiveFile(directory, account(settings))
    except OSError as error:
        raise EngineUnavailable(
            f"the list of live sandboxes cannot be written to {directory}: {error.strerror}",
            "Make the directory writable, or name another one in XDG_STATE_HOME.",
        ) from None
    app = CloudApplication(settings, live, lifetime)
    server = app.server()
    try:
        await greet(app.control, app.warnings)
        path = options.run_dir / "socket"
        await server.start(path=str(path))
        os.chmod(path, 0o600)
        try:
            say(_ready(path, app))
            gc.freeze()
            gc.enable()
            # The first test does not wait for them.
            leftovers = asyncio.ensure_future(end_leftovers(app.control, directory, _told))
            await stop.wait()
            log.info("ending %d sandboxes", len(app.sandboxes.running()))
            await asyncio.wait({leftovers}, timeout=_LEFTOVERS_TIMEOUT)
            leftovers.cancel()
        finally:
            server.close()
    finally:
        await app.close()


def _ready(path: Path, app: CloudApplication) -> dict[str, Any]:
    """What the launcher is told."""
    return {
        "socket": str(path),
        "pid": os.getpid(),
        "engine": {
            "name": NAME,
            "mode": MODE,
            "capabilities": sorted(CAPABILITIES),
            "details": details(app.control),
        },
        "tcp": None,
    }


def _told(run: str, sandbox_id: str, ended: bool) -> None:
    how = "ended" if ended else "could not be ended"
    log.info("sandbox %s, which the run %s has left behind, %s", sandbox_id, run, how)


def _lifetime(given: dict[str, Any]) -> int:
    check_options("modal", given, ("lifetime",))
    text = given.get("lifetime", str(LIFETIME))
    if not text.isdecimal() or not 1 <= int(text) <= LONGEST:
        raise invalid_option("modal", "lifetime", text, f"seconds from 1 to {LONGEST}")
    return int(text)
