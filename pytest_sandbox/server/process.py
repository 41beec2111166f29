"""What the engine process does once it has read its arguments: serve, until its run ends."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.collector import begin_to_serve
from pytest_sandbox._shared.engine_options import TOKEN_VARIABLE, parse_engine_options
from pytest_sandbox._shared.selector import UNASKED
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.engines import load_engine

from .run_process import say, serve_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine

    from pytest_sandbox.engine import EngineInfo

    from .listeners import Listeners
    from .model.state import State
    from .registries.aliases import Aliases
    from .registries.lock_file import LockFile

log = logging.getLogger("pytest_sandbox.server")

#: Turns of the event loop from a message of the zygote to the next request: it is asked for and
#: read, a future has its result, and two coroutines go on.
_TURNS = UNASKED + 4


def run_engine(options: argparse.Namespace) -> int:
    """Run the engine until its run ends; the exit status is 1 if it could not start."""
    return serve_run(options.run_dir, lambda stop: _serve(options, stop))


async def _serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    try:
        engine_options = parse_engine_options(options.engine_option)
    except ValueError as error:
        raise EngineUnavailable(f"--engine-option: {error}") from None
    volumes = _volumes_folder(engine_options)
    private_volumes = _one_of(engine_options, "volume_semantics", "shared", "modal") == "modal"
    tunnels = _one_of(engine_options, "tunnels", "own", "everybody")
    # Scripts of an engine in memory answer the commands of steps, and may change from run to run.
    layers = _one_of(engine_options, "layer_cache", "on", "off") == "on"
    aliases, lock_file = _aliases(engine_options), _lock_file(engine_options)
    engine = load_engine(_with_token(options.engine), engine_options)
    info = await _import_server(engine.start())
    from .application import Application
    from .listeners import Listeners
    from .modal_servers import ModalServers

    make = partial(
        Application,
        engine,
        info,
        private_volumes=private_volumes,
        tunnels_for_everybody=tunnels == "everybody",
        image_aliases=aliases,
        image_lock=lock_file,
        store_layers=layers and options.engine != "fake",
    )
    # Only the first server has the volumes that outlive the run: a run uses each of them once.
    others = ModalServers(make, options.run_dir)
    app = make(volumes=volumes, serve=others.open)
    listeners = Listeners(app)
    begin_to_serve()
    try:
        if options.preset is not None:
            await _preset(app.state, options.preset)
        say(await _listen(listeners, options, info))
        asyncio.get_running_loop().call_soon(_import_usual)
        await stop.wait()
        log.info("ending %d sandboxes", len(app.state.sandboxes.running()))
    finally:
        # The sandboxes first: they matter most, and calls that wait for them then return.
        await app.close()
        listeners.close()
        await others.close()


async def _import_server(starting: Coroutine[Any, Any, EngineInfo]) -> EngineInfo:
    """Import what serves while the engine starts, which mostly waits for its zygote.

    In steps, between which the start goes on.
    """
    started = asyncio.ensure_future(starting)
    try:
        await _go_on()
        from .model import apps  # noqa: F401

        await _go_on()
        from .model import state  # noqa: F401

        await _go_on()
        from .rpc import connection  # noqa: F401

        await _go_on()
        from .rpc import grpc_server  # noqa: F401

        await _go_on()
        from . import application  # noqa: F401

        return await started
    except BaseException:
        started.cancel()
        raise


async def _go_on() -> None:
    """Let the start of the engine read an answer of its zygote, and ask for the next thing."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _import_usual() -> None:
    """Import what serves the usual calls, while the first client still imports its own."""
    from .own import following  # noqa: F401
    from .v1 import apps, images, router, sandboxes  # noqa: F401


def _volumes_folder(engine_options: dict[str, str]) -> Path | None:
    """Take the option out that is the server's own, and the same for every engine."""
    path = engine_options.pop("volumes", None)
    if path is not None and not path.startswith("/"):
        raise EngineUnavailable(f"option volumes={path!r}: it must be an absolute path")
    return None if path is None else Path(path)


def _aliases(engine_options: dict[str, str]) -> Aliases | None:
    """Take the table of aliases out."""
    text = engine_options.pop("image_aliases", "")
    if not text:
        return None
    from .registries.aliases import Aliases

    try:
        return Aliases.parse(text)
    except ValueError as error:
        raise EngineUnavailable(f"option image_aliases: {error}") from None


def _lock_file(engine_options: dict[str, str]) -> LockFile | None:
    """Take the options of the file that pins images out."""
    update = _one_of(engine_options, "image_lock_update", "no", "yes") == "yes"
    path = engine_options.pop("image_lock", None)
    if path is not None and not path.startswith("/"):
        raise EngineUnavailable(f"option image_lock={path!r}: it must be an absolute path")
    if path is None:
        return None
    from .registries.lock_file import LockFile

    return LockFile(Path(path), update=update)


async def _preset(state: State, path: str) -> None:
    from .preset import preset
    from .preset_file import read_presets

    try:
        await preset(state, read_presets(path))
    except ValueError as error:
        raise EngineUnavailable(f"--preset: {error}") from None


def _with_token(engine: str) -> str:
    """The name of an engine with its token, if it is an address: see `TOKEN_VARIABLE`."""
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        return engine
    from pytest_sandbox._shared.network.engine_address import RemoteAddress

    return replace(RemoteAddress.parse(engine), token=token).whole


def _one_of(engine_options: dict[str, str], name: str, default: str, other: str) -> str:
    """Take another option of the server's own out."""
    text = engine_options.pop(name, default)
    if text not in (default, other):
        raise EngineUnavailable(f"option {name}={text!r}: it must be {default} or {other}")
    return text


async def _listen(
    listeners: Listeners, options: argparse.Namespace, info: EngineInfo
) -> dict[str, Any]:
    """Listen; what the launcher is told."""
    path = options.run_dir / "socket"
    try:
        await listeners.unix(path)
        tcp = None
        if options.tcp:
            host, port = options.tcp
            files = None
            if options.certificate:
                from .certificates import CertificateFiles

                files = CertificateFiles(options.certificate, options.key)
            tcp = asdict(await listeners.tcp(host, port, options.run_dir / "ca.pem", files))
    except OSError as error:
        raise EngineUnavailable(
            f"the server cannot listen: {error}", "Choose another --host, or another --port."
        ) from error
    return {
        "socket": str(path),
        "pid": os.getpid(),
        "engine": {
            "name": info.name,
            "mode": info.mode,
            "capabilities": sorted(capability.value for capability in info.capabilities),
            "details": dict(info.details),
        },
        "tcp": tcp,
    }
