"""Which file the name of a command means: as execvp(3) looks for it."""

from pathlib import Path

import pytest

from pytest_sandbox.local.agent.spawn import find_command


@pytest.fixture
def search(tmp_path: Path) -> str:
    """Folders of a PATH, of which the last has an executable file `tool`."""
    names = ["empty", "folder", "text", "link", "program"]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "tool").mkdir()
    (tmp_path / "text" / "tool").touch(0o644)
    (tmp_path / "link" / "tool").symlink_to("nowhere")
    (tmp_path / "program" / "tool").touch(0o755)
    return ":".join(str(tmp_path / name) for name in names)


def test_the_first_that_can_be_run_is_meant(search: str) -> None:
    assert find_command("tool", search) == f"{search.split(':')[-1]}/tool"
    assert find_command("./tool", search) == "./tool"


def test_an_empty_entry_is_the_current_folder(search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(search.split(":")[-1])
    assert find_command("tool", "/nowhere::") == "./tool"


@pytest.mark.parametrize(("folders", "named"), [(4, "link"), (3, "text")])
def test_one_that_is_there_and_cannot_be_run_is_named(
    search: str, folders: int, named: str
) -> None:
    some = ":".join(search.split(":")[:folders])
    with pytest.raises(PermissionError, match="not executable") as refused:
        find_command("tool", some)
    assert refused.value.filename.endswith(f"/{named}/tool")


def test_a_folder_of_that_name_is_no_command(search: str) -> None:
    some = ":".join(search.split(":")[:2])
    with pytest.raises(FileNotFoundError, match=r"command not found \(PATH="):
        find_command("tool", some)
