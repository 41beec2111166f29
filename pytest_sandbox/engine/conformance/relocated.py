"""Running checks on an engine whose tasks have no root directory of their own.

Checks name files as they are in a root directory of a task's own, such as `/tmp/f`. A task without
`Capability.ISOLATION` has a directory of the machine instead, `Task.folder`, and paths there. So
the folder is put before the paths in arguments, variables and file operations, and taken off again
in what file operations say. What programs print stays as it is.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from pytest_sandbox._shared.checks import is_absolute_path

from .. import (
    Connection,
    Engine,
    EngineInfo,
    Entry,
    Files,
    OpenFile,
    Process,
    ProcessSpec,
    SupportsPorts,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    WatchEvent,
)

T = TypeVar("T")

#: Directories in the root that checks write to, or look for in vain; others are the machine's.
_OWN = ("escaped", "missing", "no", "nowhere", "opt", "root", "srv", "tmp", "var", "victim")
_PATH = re.compile(rf"(?<![\w./~$}}])/(?=(?:{'|'.join(_OWN)})\b)")
#: Those that are there from the beginning.
_MADE = ("opt", "root", "srv", "var")


class RelocatedEngine(Engine):
    """An engine whose tasks take paths as if they had a root directory of their own.

    Args:
        engine: the engine; of its abilities, only that of ports is passed on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.clock = engine.clock

    async def start(self) -> EngineInfo:
        """Start the engine."""
        return await self._engine.start()

    async def create(self, spec: TaskSpec) -> Task:
        """Create a task; its working directory is made in its folder."""
        workdir = spec.workdir
        # One that makes no sense is the engine's to refuse.
        if workdir is not None and is_absolute_path(workdir):
            spec = replace(spec, workdir=None)
        task = RelocatedTask(await self._engine.create(spec), workdir, spec.env)
        with suppress(TaskEnded):  # its main process may be quicker than we
            await task.make_directories()
        return task

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


class RelocatedTask(Task, SupportsPorts):
    """A task whose paths begin in its folder.

    Args:
        task: the task.
        workdir: where its processes start, as checks see it.
        env: its environment, likewise.
    """

    def __init__(self, task: Task, workdir: str | None, env: Mapping[str, str]) -> None:
        self._task = task
        self._workdir = workdir
        self._env = env
        self.folder, self.default_workdir = task.folder, task.default_workdir
        self.main = task.main
        self.files = _RelocatedFiles(task.files, task.folder)

    async def make_directories(self) -> None:
        """Make what checks expect."""
        for name in _MADE:
            await self.files.mkdir(f"/{name}", parents=True)
        if self._workdir is not None:
            await self.files.mkdir(self._workdir, parents=True)

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        return await self._task.exec(self._moved(spec))

    async def connect(self, port: int) -> Connection:
        """Connect to a port."""
        return await SupportsPorts.of(self._task).connect(port)

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self._task.poll()

    async def wait(self) -> TaskEnd:
        """Return when it ended."""
        return await self._task.wait()

    async def kill(self) -> None:
        """End it."""
        await self._task.kill()

    def _moved(self, spec: ProcessSpec) -> ProcessSpec:
        workdir = spec.workdir if spec.workdir is not None else self._workdir
        return replace(
            spec,
            argv=tuple(self._text(each) for each in spec.argv),
            env={name: self._text(value) for name, value in {**self._env, **spec.env}.items()},
            workdir=workdir and self._text(workdir),
        )

    def _text(self, text: str) -> str:
        return _PATH.sub(lambda _: f"{self.folder}/", text)


class _RelocatedFiles(Files):
    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        return await self._told(self._files.open(self._path(path), flags, mode))

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        return self._entry(await self._told(self._files.stat(self._path(path), follow=follow)))

    async def listdir(self, path: str) -> list[Entry]:
        return [self._entry(e) for e in await self._told(self._files.listdir(self._path(path)))]

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        await self._told(self._files.mkdir(self._path(path), parents=parents))

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        await self._told(self._files.remove(self._path(path), recursive=recursive))

    async def replace(self, source: str, target: str) -> None:
        await self._told(self._files.replace(self._path(source), self._path(target)))

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        events = self._files.watch(self._path(path), recursive=recursive)
        try:
            async for event in events:
                yield WatchEvent(event.kind, tuple(self._shown(each) for each in event.paths))
        except OSError as error:
            raise self._error(error) from None
        finally:
            await _close(events)

    async def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        stream = self._files.pack(self._path(path), file=file)
        try:
            async for data in stream:
                yield data
        except OSError as error:
            raise self._error(error) from None
        finally:
            await _close(stream)

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        await self._told(self._files.unpack(self._path(path), stream))

    def _path(self, path: str) -> str:
        return f"{self._folder}{path}" if path.startswith("/") else path

    def _shown(self, path: str) -> str:
        return path.removeprefix(self._folder) or "/"

    def _entry(self, entry: Entry) -> Entry:
        target = entry.symlink_target
        return replace(
            entry,
            path=self._shown(entry.path),
            symlink_target=None if target is None else target.removeprefix(self._folder),
        )

    async def _told(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> OSError:
        name = error.filename
        return OSError(
            error.errno, error.strerror, self._shown(name) if isinstance(name, str) else name
        )


async def _close(iterator: AsyncIterator[object]) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
