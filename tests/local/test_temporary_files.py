"""The directory for temporary files, where engines have their sockets, shows in no sandbox."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox._run.run import Run
from pytest_sandbox.engine import EngineUnavailable, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.machine import host_folder
from pytest_sandbox.local.engine.machine.host_image import HostImage, host_image
from pytest_sandbox.local.engine.machine.mode_refused import ModeRefused
from pytest_sandbox.local.engine.machine.modes import check_system
from pytest_sandbox.local.kernel.mountinfo import MountInfo

from .conftest import needs_root, shell


@pytest.fixture
def shown() -> Iterator[Path]:
    """A directory that sandboxes are to show, with a run in its `tmp`."""
    where = "/opt" if os.access("/opt", os.W_OK) else Path.home()
    with tempfile.TemporaryDirectory(prefix="shown-", dir=where) as path:
        os.chmod(path, 0o755)
        folder = Path(path)
        run = folder / "tmp" / "pytest-sandbox-run"
        run.mkdir(parents=True)
        (folder / "beside").write_text("shows")
        (run / "run.json").write_text("{}")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(run / "socket"))
            yield folder


def use(monkeypatch: pytest.MonkeyPatch, shown: Path, what: str) -> None:
    """Have sandboxes show a directory, and temporary files be in it."""
    temporary = shown / "tmp"
    if what == "symbolic link":
        temporary = shown / "link"
        temporary.symlink_to("tmp")
    if what != "project":
        monkeypatch.setattr(sys, "base_prefix", str(shown))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(temporary))


@needs_root
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("what", ["installation", "project", "symbolic link"])
async def test_it_is_hidden_in_each_mode(
    monkeypatch: pytest.MonkeyPatch, shown: Path, mode: Mode, what: str
) -> None:
    use(monkeypatch, shown, what)
    engine = LocalEngine(LocalOptions(mode=mode, project=str(shown) if what == "project" else None))
    try:
        await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"this machine does not allow it: {refusal}")
    task = await engine.create(TaskSpec(project=what == "project"))

    done = await shell(task, f"cat {shown}/beside; cd {shown}; ls -AR; ls tmp/pytest-sandbox-run")

    assert done.out.startswith("shows"), done
    assert "run.json" not in done.out
    assert "socket" not in done.out
    assert "No such file" in done.err
    await engine.close()


def hidden(image: HostImage, source: Path) -> tuple[str, ...]:
    (folder,) = (each for each in image.folders if each.source == str(source))
    return folder.hidden


def test_a_mount_of_a_directory_above_it_shows_it_nowhere(
    monkeypatch: pytest.MonkeyPatch, shown: Path
) -> None:
    """TMPDIR is at another path then than the directory that sandboxes show."""
    use(monkeypatch, shown, "installation")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/mnt/data/tmp")
    device = os.stat(shown).st_dev
    lines = [
        f"1 0 {os.major(device)}:{os.minor(device)} {root} {path} rw - ext4 /dev/sda rw".encode()
        for root, path in (("/", "/"), (str(shown), "/mnt/data"), ("/other", "/mnt/other"))
    ]
    mounts = [MountInfo(line) for line in lines]
    monkeypatch.setattr(host_folder, "read_mounts", lambda _: mounts)

    assert hidden(host_image(root=True), shown) == ("tmp",)


def test_what_would_be_kept_there_is_hidden_too(
    monkeypatch: pytest.MonkeyPatch, shown: Path
) -> None:
    use(monkeypatch, shown, "project")
    monkeypatch.setattr(sys, "prefix", str(shown / "tmp" / "venv"))
    (shown / "tmp" / "venv").mkdir()

    project = host_image(root=True, project=str(shown)).project

    assert project is not None
    assert "tmp" in project.hidden
    assert not [path for path in project.kept if path.startswith("tmp")]


def test_without_programs_of_the_machine_a_mode_is_refused() -> None:
    with pytest.raises(ModeRefused, match="/usr cannot show: why") as caught:
        check_system({"/usr": "why"})
    assert caught.value.remedy == "Set TMPDIR to a directory outside of /usr."


def test_the_engine_hides_the_directory_of_its_run_not_of_a_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test that the run's first sandbox is for may have set another one."""
    run = Run.create()
    try:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr(tempfile, "tempdir", None)
        process = run.start()
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            assert f"TMPDIR={run.directory.parent}".encode() in file.read().split(b"\0")
    finally:
        run.close()


@needs_root
@pytest.mark.parametrize("inner", ["", "/inner"])
def test_all_paths_of_a_directory_are_found(tmp_path: Path, inner: str) -> None:
    """With a real mount, in a mount namespace that ends with the command."""
    code = "import sys; from pytest_sandbox.local.engine.machine.host_folder import paths_of;"
    code += "print(*paths_of(sys.argv[1]))"
    (tmp_path / "one" / "inner").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    script = 'mount --bind "$1/one" "$1/two" && exec "$2" -c "$3" "$1/two$4"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path, sys.executable, code, inner],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) >= {f"{tmp_path}/one{inner}", f"{tmp_path}/two{inner}"}
