"""A watch that cannot go on says so, and what to raise: the kernel has so many watches."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Sandbox
from pytest_sandbox.engine import WatchEvent, WatchKind
from pytest_sandbox.fakes.files.memory_files import MemoryFiles
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.local.agent.tree_watch import TreeWatch
from pytest_sandbox.local.kernel import inotify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

HINT = "fs.inotify.max_user_watches"


def refuse(queue: int, path: str, mask: int) -> int:
    raise OSError(errno.ENOSPC, f"no inotify watches left: {HINT}", path)


def test_a_new_directory_that_cannot_be_watched_ends_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would miss what happens there, and nobody would know."""
    watch = TreeWatch(str(tmp_path), recursive=True)
    monkeypatch.setattr(inotify, "add_watch", refuse)
    (tmp_path / "new").mkdir()
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError, match=HINT) as caught:
        watch.report(ours, lambda _, __: None)
    watch.close()

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "new"))


def test_a_new_directory_that_is_gone_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(queue: int, path: str, mask: int) -> int:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    watch = TreeWatch(str(tmp_path), recursive=True)
    monkeypatch.setattr(inotify, "add_watch", gone)
    (tmp_path / "new").mkdir()
    ours, theirs = socket.socketpair()
    seen: list[str] = []
    with ours, theirs:

        def tell(_: str, paths: list[str]) -> None:
            seen.extend(paths)
            theirs.close()

        watch.report(ours, tell)
    watch.close()

    assert seen == [str(tmp_path / "new")]


@pytest.mark.parametrize(
    "watch",
    [
        lambda sandbox: sandbox.watch("/tmp", timeout=5),
        lambda sandbox: sandbox.filesystem.watch("/tmp", timeout=5),
    ],
    ids=["older", "filesystem"],
)
def test_the_caller_hears_what_to_raise(
    watch: Callable[[Sandbox], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(
        _: MemoryFiles, path: str, *, recursive: bool = False
    ) -> AsyncIterator[WatchEvent]:
        refuse(0, path, 0)
        yield WatchEvent(WatchKind.CREATE, (path,))

    monkeypatch.setattr(MemoryFiles, "watch", refused)
    with FakeSandboxes():
        sandbox = Sandbox.create()
        with pytest.raises(OSError, match=HINT) as caught:
            list(watch(sandbox))  # type: ignore[call-overload]
        sandbox.terminate()

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/tmp")
