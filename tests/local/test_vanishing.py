"""Files that another program removes or replaces just while work on them is done."""

from __future__ import annotations

import os
import shutil
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.trees import tree_remover
from pytest_sandbox.local.agent import jobs, pause
from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.jobs import JOB_TO_ENGINE, DirectoryEntries, ListDirectoryJob
from pytest_sandbox.local.zygote import scripts, skeleton

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Interrupted:
    """The module `os`, but that another program does something before one of the calls.

    Args:
        call: before which of the calls, from 1; `path` functions do not count.
        act: what the other program does.
    """

    def __init__(self, call: int, act: Callable[[], object]) -> None:
        self._left = call
        self._act = act

    @property
    def over(self) -> bool:
        """Whether it came to that call."""
        return self._left <= 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if not callable(found) or name == "fsencode":
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self._act()
            return found(*args, **kwargs)

        return called


def planted(top: Path) -> Path:
    """A tree of files and directories below an empty directory."""
    for name in ("a", "b/c", "b/d"):
        (top / name).mkdir(parents=True)
        for number in range(2):
            (top / name / f"f{number}").touch()
    return top


def becomes_a_file(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()


def becomes_a_directory(path: Path) -> None:
    if path.exists():
        path.unlink()
        path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file is gone": lambda top: (top / "a/f1").unlink(missing_ok=True),
    "a directory is gone": lambda top: shutil.rmtree(top / "b/c", ignore_errors=True),
    "the directory above is gone": lambda top: shutil.rmtree(top / "b", ignore_errors=True),
    "all is gone": lambda top: shutil.rmtree(top, ignore_errors=True),
    "a directory becomes a file": lambda top: becomes_a_file(top / "b/d"),
    "a file becomes a directory": lambda top: becomes_a_directory(top / "b/c/f1"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_tree_that_changes_is_removed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    call = 2  # before the first one, the tree may as well have been different all along
    while True:
        top = planted(tmp_path / f"tree{call}")
        interrupted = Interrupted(call, partial(CHANGES[name], top))
        monkeypatch.setattr(tree_remover, "os", interrupted)
        tree_remover.remove_tree(str(top))
        monkeypatch.undo()
        assert not top.exists(), call
        if not interrupted.over:
            break
        call += 1
    assert call > 20


def test_a_directory_that_becomes_a_file_is_listed_without_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = planted(tmp_path / "tree")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    interrupted = Interrupted(2, lambda: becomes_a_file(top))
    monkeypatch.setattr(jobs, "os", interrupted)
    with ours, theirs:
        jobs.Job(ListDirectoryJob(path=str(top))).do(theirs, [])
        message, _, _ = wire.receive(ours, JOB_TO_ENGINE)
    assert interrupted.over
    assert isinstance(message, DirectoryEntries)
    assert message.entries == []


def test_a_process_that_ended_is_not_one_that_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may soon be that of another, which then would go on during a pause."""
    monkeypatch.setattr(pause, "_pids", lambda: [2**30])
    monkeypatch.setattr(os, "kill", lambda *_: None)
    stopped = pause.SandboxPause()
    stopped.begin(strictly=True)
    assert stopped.stopped_before == set()


def test_files_of_the_machine_that_are_replaced_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Package managers replace them while an engine starts."""
    source, target = tmp_path / "etc", tmp_path / "skeleton"
    target.mkdir()
    (source / "ssl").mkdir(parents=True)
    (source / "ssl/f").write_text("x")
    call, over = 1, True
    while over:
        (source / "magic").write_text("x")
        interrupted = Interrupted(call, (source / "magic").unlink)
        monkeypatch.setattr(skeleton, "os", interrupted)
        skeleton.Chosen.read(str(source)).write(str(target))
        monkeypatch.undo()
        assert (target / "ssl/f").exists()
        shutil.rmtree(target)
        target.mkdir()
        over = interrupted.over
        call += 1
    assert call > 5


def test_scripts_that_are_replaced_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("one", "two"):
        script = tmp_path / "bin" / name
        script.write_text(f"#!{tmp_path}/bin/python\n")
        script.chmod(0o755)
    for call in (2, 3):
        (tmp_path / "bin/gone").touch()
        interrupted = Interrupted(call, (tmp_path / "bin/gone").unlink)
        monkeypatch.setattr(scripts, "os", interrupted)
        found = scripts.rewritten(str(tmp_path), "/moved")
        monkeypatch.undo()
        assert set(found) == {"one", "two"}
