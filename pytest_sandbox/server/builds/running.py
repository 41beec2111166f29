"""Runs the command of a step, with all that is there meanwhile and in no layer."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.writer import END, write
from pytest_sandbox.engine import EntryKind, Files, Output, ProcessSpec, SupportsMounts, TaskEnded

from ..volumes.tar_stream import NewFile, tar_stream
from .copying import put_below
from .copying_between import copy_between
from .packages import uses_packages
from .steps import BindMount, Placing, RunStep, TemporaryFile
from .users import home_of, process_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from pytest_sandbox.engine import Task

    from .steps import Source

_SECRETS = PurePosixPath("/run/secrets")
#: Where those are that have a path elsewhere.
_ELSEWHERE = _SECRETS / ".elsewhere"


#: Installers try for up to a minute; where there is no network, they fail at once.
_OFFLINE = dict.fromkeys(("PIP_RETRIES", "UV_HTTP_RETRIES", "npm_config_fetch_retries"), "0")
_APT = "APT_CONFIG"
#: Where no layer has anything, whatever an image has at other places.
_APT_FILE = "/dev/shm/.apt.conf"
#: Where a sandbox has a single id, apt can become no other user: apt.conf(5), "Directories".
_APT_AS_ROOT = 'APT::Sandbox::User "root";\n'
_APT_OFFLINE = 'Acquire::Retries "0";\n'
#: Else `apt-get update` succeeds without the lists that it could not fetch, and a layer without
#: them is stored: apt-get(8), "--error-on".
_APT_ONLINE = 'APT::Update::Error-Mode "any";\n'


def with_settings(step: RunStep, env: Mapping[str, str], *, network: bool) -> RunStep:
    """A step with the settings of installers; no layer depends on them.

    Args:
        step: the step.
        env: of its image, which wins.
        network: whether the step has one.
    """
    added = {} if network else dict(_OFFLINE)
    files = step.files
    if uses_packages(step):
        text = _APT_AS_ROOT + (_APT_ONLINE if network else _APT_OFFLINE)
        files = (TemporaryFile(_APT_FILE, text.encode()), *files)
        added[_APT] = _APT_FILE
    wanted = {name: value for name, value in added.items() if name not in env}
    return replace(step, env={**wanted, **step.env}, files=files)


async def process_spec(task: Task, step: RunStep, *, any_name: bool) -> ProcessSpec:
    """The process of a step.

    Args:
        task: the sandbox of the step.
        step: with the command.
        any_name: whether its user may be one that is not in the image.

    Raises:
        ValueError: its user is not in the image.
    """
    env = {**step.proxies, **step.env, **step.secrets}
    if not step.user:
        return ProcessSpec(step.argv, env=env, stderr=Output.STDOUT)
    user = await process_user(task.files, step.user, any_name=any_name)
    env = {"HOME": await home_of(task.files, step.user, any_name=any_name), **env}
    return ProcessSpec(step.argv, env=env, stderr=Output.STDOUT, user=user)


@asynccontextmanager
async def temporary(
    task: Task,
    step: RunStep,
    files_of: Callable[[Source], Awaitable[Files]],
    now: float,
) -> AsyncIterator[None]:
    """The files and mounts of a step are there inside of the block.

    Args:
        task: the sandbox of the step.
        step: what is to be there.
        files_of: gives the files of another image.
        now: the time of files, in seconds since the Unix epoch.
    """
    async with AsyncExitStack() as undone:
        for path in step.empty:
            await _mount(task, path)
        for bind in step.binds:
            await _bind(task, bind, files_of, now, undone)
        for file in step.files:
            await _place(task.files, file, now, undone)
        if step.secret_files:
            await _mount(task, str(_SECRETS))
        for file in step.secret_files:
            await _place_secret(task.files, file, now, undone)
        for cache in step.caches:
            words = []
            if cache.owner is not None:
                words.append(("chown", f"{cache.owner[0]}:{cache.owner[1]}", cache.path))
            if cache.mode is not None:
                words.append(("chmod", f"{cache.mode:o}", cache.path))
            for argv in words:
                process = await task.exec(ProcessSpec(argv))
                await process.wait()
        yield


async def _mount(task: Task, path: str) -> None:
    """An empty directory, which no layer has."""
    await task.files.mkdir(path, parents=True)
    await SupportsMounts.of(task).mount(path, None)


async def _bind(
    task: Task,
    bind: BindMount,
    files_of: Callable[[Source], Awaitable[Files]],
    now: float,
    undone: AsyncExitStack,
) -> None:
    single = bind.single
    source = None
    if bind.image is not None:
        source = await files_of(bind.image)
        entry = await source.stat(bind.source, follow=True)
        single = entry.kind is not EntryKind.DIRECTORY
    if single:
        await _make_way(task.files, bind.path, undone)
    else:
        await _mount(task, bind.path)
    if source is not None:
        placing = Placing(bind.path, single=single)
        await copy_between(source, (bind.source,), task.files, placing, None)
        return
    into, copied = bind.path, bind.files
    if single:
        place = PurePosixPath(bind.path)
        into, copied = str(place.parent), (replace(copied[0], path=(place.name,)),)
    await put_below(task.files, into, copied, None, None, now)


async def _place(files: Files, file: TemporaryFile, now: float, undone: AsyncExitStack) -> None:
    await _make_way(files, file.path, undone)
    place = PurePosixPath(file.path)

    async def content() -> AsyncIterator[bytes]:
        yield file.content

    new = NewFile(place.name, file.mode, len(file.content), content, *file.owner)
    await files.unpack(str(place.parent), tar_stream([new], now))


async def _place_secret(
    files: Files, file: TemporaryFile, now: float, undone: AsyncExitStack
) -> None:
    """Have a secret in what is mounted, so that ln(1) and mv(1) bring it into no layer.

    At a path elsewhere is a symbolic link to it.
    """
    path = PurePosixPath(file.path)
    real = path if path.is_relative_to(_SECRETS) else _ELSEWHERE / path.relative_to("/")
    if real.parent != _SECRETS:
        await files.mkdir(str(real.parent), parents=True)
    await _place(files, replace(file, path=str(real)), now, undone)
    if real == path:
        return
    await _make_way(files, file.path, undone)

    async def link() -> AsyncIterator[bytes]:
        member = Member(path.name, MemberKind.SYMLINK, mtime_ns=int(now * 10**9), target=str(real))
        for data in write(member):
            yield data
        yield END

    await files.unpack(str(path.parent), link())


async def _make_way(files: Files, path: str, undone: AsyncExitStack) -> None:
    """Have a file removed at the end, and what was there before at its place again."""
    saved = f"{path}.{secrets.token_hex(8)}"
    try:
        await files.replace(path, saved)
    except (FileNotFoundError, NotADirectoryError):
        saved = ""

    async def restore() -> None:
        with suppress(TaskEnded):  # as when a step fails, of which nothing is kept
            with suppress(FileNotFoundError):
                await files.remove(path)
            if saved:
                await files.replace(saved, path)

    undone.push_async_callback(restore)
