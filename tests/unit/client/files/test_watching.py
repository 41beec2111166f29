"""Watching files of a sandbox, on a real engine."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox.client import FileWatchEvent, FileWatchEventType, Sandbox, exceptions

Call = Callable[..., Any]


def created(events: Any) -> FileWatchEvent:
    """The first creation that is told."""
    event: FileWatchEvent = next(
        event for event in events if event.type is FileWatchEventType.Create
    )
    events.close()
    return event


class Toucher:
    """Makes new files until it is told to stop: when a watch is in place nobody can tell."""

    def __init__(self, sandbox: Sandbox, folder: str) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self._sandbox.filesystem.write_text("x", f"{self._folder}/{number}")


def test_changes_are_told(sandbox: Sandbox) -> None:
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t"):
            event = created(watch("/srv/t", timeout=30))
        assert event.paths[0].startswith("/srv/t/")


def test_changes_below_are_told_if_asked_for(sandbox: Sandbox) -> None:
    sandbox.filesystem.make_directory("/srv/t/a/b")
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t/a/b"):
            event = created(watch("/srv/t", recursive=True, timeout=30))
        assert event.paths[0].startswith("/srv/t/a/b/")


def test_only_changes_of_the_wanted_kind_are_told(sandbox: Sandbox) -> None:
    wanted = [FileWatchEventType.Modify]
    for watch in (sandbox.watch, sandbox.filesystem.watch):
        with Toucher(sandbox, "/srv/t"):
            events = watch("/srv/t", filter=wanted, timeout=30)
            assert next(events).type is FileWatchEventType.Modify
            events.close()


def test_a_watch_ends_when_its_time_is_up(
    sandbox: Sandbox, items: Callable[..., list[FileWatchEvent]]
) -> None:
    assert items(sandbox.watch, "/srv/t", timeout=1) == []
    assert items(sandbox.filesystem.watch, "/srv/t", timeout=0) == []


def test_what_is_not_there_cannot_be_watched(sandbox: Sandbox, items: Call) -> None:
    with pytest.raises(FileNotFoundError):
        items(sandbox.watch, "/srv/t/none", timeout=1)
    with pytest.raises(exceptions.SandboxFilesystemNotFoundError):
        items(sandbox.filesystem.watch, "/srv/t/none", timeout=1)


@pytest.fixture
def four_watches(sandbox: Sandbox) -> Iterator[None]:
    """A sandbox with eight directories in `/srv/t`, of which the kernel lets four be watched."""
    sandbox.run("sh", "-c", "cd /srv/t; mkdir a b c d e f g h", check=True)
    script = f"read line; : {uuid.uuid4()}"
    process = sandbox.exec("sh", "-c", script)
    try:
        namespace = user_namespace(f"sh\0-c\0{script}\0")
        before = watches(namespace, "cat")
        watches(namespace, "echo 4 >")
        yield
        watches(namespace, f"echo {before.strip()} >")
    finally:
        process.stdin.write_eof()
        process.stdin.drain()
        process.wait()


def user_namespace(command: str) -> str:
    """That of a command in a sandbox, if it is not ours and we may enter it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_text() == command:
                namespace = folder / "ns/user"
                if os.geteuid() or not shutil.which("nsenter"):
                    break
                if not namespace.samefile("/proc/self/ns/user"):
                    return str(namespace)
    pytest.skip("needs root, nsenter(1), and a sandbox with a user namespace of its own")


def watches(namespace: str, script: str) -> str:
    """Read or change how many watches a user namespace may have."""
    enter = ("nsenter", f"--user={namespace}", "-S", "0", "-G", "0")
    command = (*enter, "sh", "-c", f"{script} /proc/sys/user/max_inotify_watches")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.usefixtures("four_watches")
@pytest.mark.parametrize("older", [True, False])
def test_a_watch_for_which_the_kernel_has_none_left_says_what_to_raise(
    sandbox: Sandbox, older: bool
) -> None:
    watch: Any = sandbox.watch if older else sandbox.filesystem.watch

    with pytest.raises(OSError, match=r"fs\.inotify\.max_user_watches") as caught:
        next(watch("/srv/t", recursive=True, timeout=30))

    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename.startswith("/srv/t/")
