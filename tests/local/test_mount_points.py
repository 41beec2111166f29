"""Places to mount at in trees that hostile programs left behind."""

import os
from pathlib import Path

import pytest

from pytest_sandbox.local.filesystem import mount_points
from pytest_sandbox.local.kernel.calls import NOW


def have(root: Path) -> None:
    mount_points.have(str(root), ["/dev/pts", "/proc"], ["/dev/null"], NOW)


def test_what_is_missing_is_made(tmp_path: Path) -> None:
    have(tmp_path)

    assert (tmp_path / "dev/pts").is_dir()
    assert (tmp_path / "proc").is_dir()
    assert (tmp_path / "dev/null").is_file()


def test_what_is_there_is_only_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have(tmp_path)
    monkeypatch.setattr(mount_points, "prepare", lambda *_: pytest.fail("nothing is missing"))
    before = os.stat(tmp_path / "dev").st_mtime_ns

    have(tmp_path)

    assert os.stat(tmp_path / "dev").st_mtime_ns == before


@pytest.mark.parametrize("path", ["dev", "dev/pts", "proc", "dev/null"])
def test_a_link_is_refused(tmp_path: Path, path: str) -> None:
    """Also one that leads to just what is wanted."""
    have(tmp_path)
    (tmp_path / path).rename(tmp_path / "elsewhere")
    (tmp_path / path).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match=path.partition("/")[0]):
        have(tmp_path)


def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    have(tmp_path)
    (tmp_path / "dev/null").unlink()
    os.mkfifo(tmp_path / "dev/null")

    with pytest.raises(OSError, match="is not a file"):
        have(tmp_path)
