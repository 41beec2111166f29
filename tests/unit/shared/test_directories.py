"""Directories of any depth."""

import os
from pathlib import Path

import pytest

from pytest_sandbox._shared.directories import make_directories, walk_directories

#: More than functions may call each other, and less than PATH_MAX allows.
DEPTH = 1100


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory by short paths."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("short")
def test_a_deep_directory_is_made_once_and_walked() -> None:
    deep = "/".join("d" * DEPTH)
    assert make_directories(deep)
    assert not make_directories(deep)
    found = [folder for folder, _, _ in walk_directories("d")]
    assert (len(found), found[-1]) == (DEPTH, deep)
    while deep:  # what pytest does it with has a limit
        os.rmdir(deep)
        deep = os.path.dirname(deep)


@pytest.mark.usefixtures("short")
def test_links_to_directories_count_and_files_do_not() -> None:
    Path("real").mkdir()
    Path("link").symlink_to("real")
    Path("broken").symlink_to("missing")
    Path("file").touch()
    assert make_directories("link/below/")
    assert not make_directories("link")
    assert os.listdir("real") == ["below"]
    for path in ("file", "broken", "broken/below"):
        with pytest.raises(FileExistsError):
            make_directories(path)
    with pytest.raises(NotADirectoryError):
        make_directories("file/below")
    with pytest.raises(FileNotFoundError):
        make_directories("")


@pytest.mark.usefixtures("short")
def test_the_order_of_a_walk_can_be_chosen() -> None:
    for path in ("t/b/x", "t/a", "t/c"):
        make_directories(path)
    Path("t/f").touch()
    Path("t/l").symlink_to("a")
    walked = []
    for folder, directories, others in walk_directories("t"):
        directories.sort()
        walked.append((folder, list(directories), sorted(others)))
    assert walked == [
        ("t", ["a", "b", "c"], ["f", "l"]),
        ("t/a", [], []),
        ("t/b", ["x"], []),
        ("t/b/x", [], []),
        ("t/c", [], []),
    ]
