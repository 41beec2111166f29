"""Watching files of a sandbox, on a real engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
