"""Sets up what Modal's clients find by name."""

import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial

from grpclib import GRPCError

from pytest_sandbox._proto.volumes_pb2 import VOLUME_FS_VERSION_UNSPECIFIED
from pytest_sandbox.engine import EngineError

from .model.checks import check_environment
from .model.ids import check_name
from .model.secrets import SecretRecord
from .model.state import State
from .preset_file import EnvironmentPresets
from .volumes.tar_stream import NewFile

#: Bytes of a file that are read at a time.
_CHUNK = 1024 * 1024


async def preset(state: State, environments: Mapping[str, EnvironmentPresets]) -> None:
    """Set presets up.

    Raises:
        ValueError: a name or a value cannot be one, or a file cannot be copied.
    """
    try:
        for name, presets in environments.items():
            if name:
                check_name(name, "environment")
                state.apps.environment_id(name)
            await _environment(state, state.apps.environment(name), presets)
    except (OSError, EngineError, GRPCError) as error:
        reason = error.message if isinstance(error, GRPCError) else error
        raise ValueError(str(reason)) from error


async def _environment(state: State, environment: str, presets: EnvironmentPresets) -> None:
    for name, variables in presets.secrets.items():
        check_name(name, "secret")
        check_environment(variables.items())
        secret_id, now = state.ids.new("st"), state.clock.now()
        state.secrets.add(SecretRecord(secret_id, name, environment, variables, now))
    for name, addresses in presets.proxies.items():
        check_name(name, "proxy")
        state.proxies.add(name, environment, addresses)
    for name, folder in presets.volumes.items():
        check_name(name, "volume")
        volume = await state.named_volumes.find(environment, name)
        if volume is None:
            volume = await state.named_volumes.make(
                environment, name, VOLUME_FS_VERSION_UNSPECIFIED
            )
        if folder:
            await state.volume_files.write(volume.id, list(_files(folder)), replace=True)


def _files(folder: str) -> Iterator[NewFile]:
    """The files below a folder; links are followed, and whatever else is none is left out."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(parent, name)
            about = os.stat(path)
            if stat.S_ISREG(about.st_mode):
                relative = os.path.relpath(path, folder)
                mode = stat.S_IMODE(about.st_mode)
                yield NewFile(relative, mode, about.st_size, partial(_content, path))


async def _content(path: str) -> AsyncIterator[bytes]:
    with open(path, "rb") as file:  # noqa: ASYNC230  # before anything is served
        while data := file.read(_CHUNK):
            yield data
