"""Which ids a sandbox has, and what is said when there are none."""

import io
import os
from pathlib import Path

import pytest

from pytest_sandbox.local import Mode
from pytest_sandbox.local.engine.machine import ids
from pytest_sandbox.local.kernel import idmap


@pytest.mark.parametrize(
    ("count", "lines"), [(1, "0 100000 1"), (65536, "0 100000 1\n1 100001 65535")]
)
def test_a_map_has_a_line_for_root_and_one_for_the_others(
    tmp_path: Path, count: int, lines: str
) -> None:
    """So that each lies within one line of an outer map that newuidmap(1) made."""
    (tmp_path / "7").mkdir()
    for name in ("uid_map", "gid_map"):
        (tmp_path / "7" / name).touch()
    idmap.write_map(7, 100_000, count, proc=str(tmp_path))
    assert (tmp_path / "7" / "uid_map").read_text() == lines
    assert (tmp_path / "7" / "gid_map").read_text() == lines


@pytest.mark.parametrize("owner", ["{name}", "{uid}"])
def test_a_range_is_found_by_name_or_number(tmp_path: Path, owner: str) -> None:
    owner = owner.format(name=ids.user_name(), uid=os.geteuid())
    file = tmp_path / "subuid"
    file.write_text(f"other:1:65536\n{owner}:5:100\nbroken\n{owner}:200000:65536\n")
    assert ids.subordinate(str(file)) == ids.IdRange(200000, 65536)


@pytest.mark.parametrize("content", ["", "other:1:65536\n", "{user}:1:10\n", "{user}:x:y\n"])
def test_without_a_range_the_refusal_names_the_file_and_the_command(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "subuid"
    file.write_text(content.format(user=ids.user_name()))
    with pytest.raises(ids.IdsRefused, match="subuid") as caught:
        ids.subordinate(str(file))
    assert caught.value.remedy.startswith("sudo usermod --add-subuids")


def test_only_what_is_missing_is_advised_of_ids_that_nobody_has(tmp_path: Path) -> None:
    own = ids.user_name()
    (tmp_path / "subuid").write_text(f"other:100000:65536\n{own}:165536:65536\n")
    (tmp_path / "subgid").write_text("other:100000:65536\n")

    with pytest.raises(ids.IdsRefused) as caught:
        ids.subordinate(str(tmp_path / "subgid"))

    assert caught.value.remedy == f"sudo usermod --add-subgids 231072-296607 {own}"


@pytest.mark.parametrize(
    ("mode", "remedy"), [(0o4755, ""), (0o755, "sudo apt-get install --reinstall uidmap")]
)
def test_ids_that_exist_are_not_advised_where_mapping_them_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int, remedy: str
) -> None:
    """A program of an image has often lost the privileges that it needs."""
    program = tmp_path / "newuidmap"
    program.write_text("#!/bin/sh\necho not permitted >&2\nexit 1\n")
    program.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(ids, "subordinate", lambda _: ids.IdRange(100000, 65536))
    monkeypatch.setattr("shutil.which", lambda _: str(program))

    with pytest.raises(ids.IdsRefused, match="newuidmap: not permitted") as caught:
        ids.give(Mode.SUBORDINATE, os.getpid())

    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("user", "first_line", "is_root"),
    [(0, "0 0 4294967295", True), (0, "0 100000 65536", False), (1000, "0 0 4294967295", False)],
)
def test_root_of_a_user_namespace_is_not_root_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, user: int, first_line: str, *, is_root: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr("builtins.open", lambda _: io.StringIO(f"{first_line}\n"))

    assert ids.is_root_of_machine() is is_root


def test_a_missing_file_is_no_range(tmp_path: Path) -> None:
    with pytest.raises(ids.IdsRefused):
        ids.subordinate(str(tmp_path / "none"))


def test_every_mode_but_one_has_room_for_nobody() -> None:
    assert {mode: ids.count(mode) > 65534 for mode in Mode} == {
        Mode.ROOT_SHIFTED: True,
        Mode.ROOT_SHARED: True,
        Mode.ROOT_IDENTITY: True,
        Mode.ROOT_PLAIN: True,
        Mode.SUBORDINATE: True,
        Mode.SINGLE: False,
    }
