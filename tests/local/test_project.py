"""The project in sandboxes that ask for it: what shows, in every mode, and what does not."""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_sandbox.engine import Capability, EngineUnavailable, TaskSpec, Unsupported
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.machine import project as project_module
from pytest_sandbox.local.engine.machine.host_folder import HostFolder
from pytest_sandbox.local.engine.machine.host_image import HostImage, host_image
from pytest_sandbox.local.engine.machine.project import ProjectRefused, left_out

from .conftest import needs_root, shell


def git(folder: Path, *arguments: str) -> None:
    options = ("-c", "user.name=x", "-c", "user.email=x", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *options, "-C", str(folder), *arguments], check=True)


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, "src/pkg/__init__.py", "README", "keys/tracked.pem")
    (folder / ".gitignore").write_text("*.log\nbuild/\n.venv/\n_version.py\n")
    git(folder, "add", ".")
    return folder


def shown(project: Path) -> HostImage:
    return host_image(root=True, project=str(project))


def hidden(project: Path) -> list[str]:
    folder = shown(project).project
    assert folder is not None
    return left_out(folder)


@pytest_asyncio.fixture(params=Mode, ids=lambda mode: mode.name.lower())
async def moded(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[LocalEngine]:
    """An engine with a project, in each mode that works here."""
    engine = LocalEngine(LocalOptions(mode=request.param, project=str(root)))
    try:
        await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"this machine does not allow it: {refusal}")
    yield engine
    await engine.close()


@needs_root
@pytest.mark.asyncio
async def test_each_sandbox_has_its_own_layer_over_the_project(
    moded: LocalEngine, root: Path
) -> None:
    write(root, ".env", "build/out", "a.log", "new")
    (root / "outside").symlink_to("/etc/shadow")
    task = await moded.create(TaskSpec(project=True, workdir=str(root)))
    found = await shell(task, "find . -type f | sort")
    assert found.out.split() == [
        *("./.gitignore", "./README", "./keys/tracked.pem", "./new", "./src/pkg/__init__.py")
    ], found
    assert "*" in (await shell(task, "cat outside")).out  # the sandbox's own, which is locked
    look = f"cd {root} && cat README build; ls src"
    done = await shell(task, "echo changed > README && rm -r src/pkg && echo mine > build")
    assert done.code == 0, done.err
    assert (root / "README").read_text() == "# README\n"
    assert (root / "src/pkg/__init__.py").exists()
    other = await moded.create(TaskSpec(project=True))
    assert (await shell(other, f"cat {root}/README")).out == "# README\n"
    without = await moded.create(TaskSpec())
    assert (await shell(without, f"ls -d {root}")).code != 0
    in_place = await task.snapshot()
    at_end = await task.snapshot(end=True)
    data = [chunk async for chunk in moded.export(at_end)]

    async def stream() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk

    for image in (in_place, at_end, await moded.load(stream())):
        copy = await moded.create(TaskSpec(image=image, project=True))
        assert (await shell(copy, look)).out == "changed\nmine\n"


@needs_root
@pytest.mark.asyncio
async def test_a_moved_project_is_not_written_to_in_a_snapshot(
    moded: LocalEngine, root: Path
) -> None:
    """A program may rename directories above the place where the project is mounted."""
    task = await moded.create(TaskSpec(project=True))
    above = Path(*root.parts[:3])  # below /tmp, where only this sandbox has it
    moved = above.with_name("moved")
    readme = moved / root.relative_to(above) / "README"
    done = await shell(task, f"mv {above} {moved} && echo before > {readme}")
    assert done.code == 0, done.err
    image = await task.snapshot()

    await shell(task, f"echo after > {readme}")

    assert (await shell(task, f"cat {readme}")).out == "after\n"
    copy = await moded.create(TaskSpec(image=image, project=True))
    assert (await shell(copy, f"cat {root}/README")).out == "before\n"


@needs_root
@pytest.mark.asyncio
async def test_a_memory_snapshot_has_the_project(root: Path) -> None:
    engine = LocalEngine(LocalOptions(project=str(root)))
    await engine.start()
    try:
        if (missing := await engine.memory.find_criu()) is not None:
            pytest.skip(missing.reason)
        task = await engine.create(TaskSpec(freezable=True, project=True))
        await shell(task, f"echo changed > {root}/README")
        snapshot = await task.snapshot_memory()
        copy = await engine.create(TaskSpec(resume=snapshot, project=True))
        assert (await shell(copy, f"cat {root}/README")).out == "changed\n"
    finally:
        await engine.close()


@pytest.mark.asyncio
async def test_an_engine_says_whether_it_has_a_project(root: Path) -> None:
    engine = LocalEngine(LocalOptions(project=str(root)))
    info = await engine.start()
    await engine.close()
    assert Capability.PROJECT in info.capabilities
    assert info.project == str(root)
    engine = LocalEngine()
    info = await engine.start()
    try:
        assert info.project == ""
        assert "option" in info.details["no project"]
        with pytest.raises(Unsupported, match="project"):
            await engine.create(TaskSpec(project=True))
    finally:
        await engine.close()


def test_ignored_files_secrets_and_version_control_are_left_out(root: Path) -> None:
    write(root, ".env", "sub/.netrc", "keys/new.pem", "a.log", "build/out", "new/b.log", "new/file")
    os.mkfifo(root / "pipe")
    assert set(hidden(root)) >= {
        *(".env", "sub/.netrc", "keys/new.pem", "a.log", "build", "new/b.log", "pipe", ".git")
    }
    assert not {"new", "new/file", "keys/tracked.pem", "src", "README"} & set(hidden(root))


def test_submodules_have_ignored_files_of_their_own(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / ".gitignore").write_text("*.cache\n")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "x")
    git(root, "submodule", "--quiet", "add", str(other), "module")
    write(root, "module/a.cache", "module/file")
    assert {"module/.git", "module/a.cache"} <= set(hidden(root))
    assert "module/file" not in hidden(root)


def test_without_a_repository_nothing_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, "build/out", "server.key", ".env")
    assert {"server.key", ".env"} <= set(hidden(tmp_path.resolve()))
    assert "build" not in hidden(tmp_path.resolve())


def test_a_repository_without_git_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_module, "_GIT", ("/no/such/git",))
    with pytest.raises(ProjectRefused, match="git cannot say which files"):
        hidden(root)


def test_a_package_in_the_project_shows_with_what_git_ignores(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "src/pkg/_version.py", "src/pkg/.env", "src/other/_version.py")
    package = HostFolder(f"{root}/src/pkg", f"{root}/src/pkg", "if possible")
    folder = HostFolder(str(root), str(root), "if possible", (), ("src/pkg",), "with project")
    names = left_out(folder)
    assert "src/pkg/_version.py" not in names
    assert {"src/pkg/.env", "src/other/_version.py"} <= set(names)
    assert package.shown == "always"


@pytest.mark.parametrize("folder", ["/", "/home", "/usr", "~", "/no/such/directory"])
def test_a_directory_that_would_show_too_much_is_no_project(folder: str) -> None:
    image = host_image(root=True, project=os.path.expanduser(folder))
    assert image.project is None
    assert image.no_project


def test_the_directory_for_temporary_files_is_no_project(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(root))
    assert shown(root).project is None
    assert "temporary files" in shown(root).no_project
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(root / "tmp"))
    assert "tmp" in hidden(root)


@pytest.fixture
def project_with_environment() -> Iterator[Path]:
    """A project with a virtual environment in it, which git ignores."""
    # Not below /tmp, where an environment shows at another path.
    with tempfile.TemporaryDirectory(prefix=".project-", dir=Path.home()) as folder:
        root = Path(folder).resolve()
        write(root, "src/pkg/__init__.py", "src/pkg/_version.py")
        (root / ".gitignore").write_text(".venv/\n_version.py\n")
        git(root, "init", "-q")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
        (site,) = root.glob(".venv/lib/python*/site-packages")
        (site / "pkg.pth").write_text(f"{root}/src\n")
        yield root


RUN = """
import asyncio, sys
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions

async def main():
    engine = LocalEngine(LocalOptions(project=sys.argv[1]))
    await engine.start()
    for project in (False, True):
        main = ProcessSpec(("sh", "-c", sys.argv[2]))
        task = await engine.create(TaskSpec(main=main, project=project))
        await task.wait()
        for stream in (task.main.stdout, task.main.stderr):
            print(b"".join([chunk async for chunk in stream.follow()]).decode(), end="")
    await engine.close()

asyncio.run(main())
"""


def test_an_environment_and_an_editable_package_in_the_project_work(
    project_with_environment: Path,
) -> None:
    root = project_with_environment
    packages = [str(Path(project_module.__file__).parents[4]), *filter(None, sys.path)]
    script = (
        "python3 -c 'import pkg._version, sys; print(sys.prefix)'; "
        f"touch {root}/.venv/new && ls {root}"
    )
    done = subprocess.run(
        [root / ".venv/bin/python", "-c", RUN, str(root), script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [*(f"{root}/.venv", "src", f"{root}/.venv", "src")], done
    assert not (root / ".venv/new").exists()
