"""What of this machine shows in a sandbox."""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_sandbox
from pytest_sandbox.local.engine.machine import host_image
from pytest_sandbox.local.zygote import scripts
from pytest_sandbox.local.zygote import skeleton as skeleton_module


def test_the_running_python_comes_first_in_the_path() -> None:
    image = host_image.host_image(root=True)
    prefix = os.path.realpath(sys.prefix)
    # One below a folder for temporary files shows at a path of its own.
    shown_at = {here: there for there, here in image.moved.items()}.get(prefix, prefix)
    assert f"{shown_at}/bin" in image.env["PATH"].split(":")
    assert image.env["PATH"].endswith("/usr/sbin:/usr/bin:/sbin:/bin")


def test_no_variable_of_the_machine_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    assert set(host_image.host_image(root=True).env) == {"HOME", "LANG", "PATH"}


@pytest.mark.parametrize("prefix", ["/", "/home", "/root", "/etc", "/var", "/opt", "~"])
def test_a_python_environment_that_would_show_too_much_is_left_out(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = os.path.realpath(os.path.expanduser(prefix))
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, prefix)
    image = host_image.host_image(root=True)
    assert prefix not in [folder.path for folder in image.folders]
    assert prefix in image.left_out


def test_an_environment_in_usr_needs_no_tree_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, "/usr")
    trees = [folder.path for folder in host_image.host_image(root=False).folders]
    assert trees[0] == "/usr"
    assert not [path for path in trees[1:] if path.startswith("/usr/")]


@pytest.mark.parametrize("root", [True, False])
def test_the_environment_has_a_layer_where_that_is_possible(root: bool) -> None:
    image = host_image.host_image(root=root)
    environment = os.path.realpath(sys.prefix)
    layers = {folder.source: folder.layer for folder in image.folders}
    assert layers.get(environment, "if possible") == "if possible"
    assert layers["/usr"] == ("always" if root else "never")


def test_the_installation_of_a_virtual_environment_has_no_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    for name in ("prefix", "exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path / "venv"))
    folders = host_image.host_image(root=True).folders
    assert {folder.source: folder.layer for folder in folders}[str(tmp_path)] == "never"


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("skeleton")
    skeleton_module.build(
        str(root),
        skeleton_module.Chosen.read("/etc"),
        ("null",),
        {"bin": "usr/bin"},
        ["/opt/some/where"],
    )
    return root


def test_the_top_level_is_made_of_known_names(skeleton: Path) -> None:
    known = "bin boot dev etc home media mnt opt proc root run srv sys tmp usr var"
    assert sorted(os.listdir(skeleton)) == known.split()


def test_mount_points_and_links_are_there(skeleton: Path) -> None:
    assert (skeleton / "opt/some/where").is_dir()
    assert os.readlink(skeleton / "bin") == "usr/bin"
    assert (skeleton / "dev/null").is_file()


@pytest.mark.parametrize("folder", ["home", "mnt", "srv", "tmp", "root", "var/log"])
def test_folders_of_people_and_services_are_empty(skeleton: Path, folder: str) -> None:
    assert os.listdir(skeleton / folder) == []


def test_only_names_that_are_mentioned_are_copied_from_etc(skeleton: Path) -> None:
    made = {"fstab", "group", "hostname", "hosts", "machine-id", "mtab", "passwd", "resolv.conf"}
    assert set(os.listdir(skeleton / "etc")) <= skeleton_module.ETC | made | {"shadow"}


def test_accounts_are_the_systems_and_locked(skeleton: Path) -> None:
    lines = [line.split(":") for line in (skeleton / "etc/passwd").read_text().splitlines()]
    assert lines[0] == ["root", "x", "0", "0", "root", "/root", "/bin/sh"]
    assert all(int(line[2]) < 1000 or int(line[2]) == 65534 for line in lines)
    shadow = [line.split(":") for line in (skeleton / "etc/shadow").read_text().splitlines()]
    assert {line[1] for line in shadow} == {"*"}


def test_what_not_everybody_may_read_is_not_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "etc", tmp_path / "copy"
    (source / "ssl/private").mkdir(parents=True)
    (source / "ssl/private/key").write_text("secret")
    (source / "ssl/open.pem").write_text("public")
    (source / "ssl/closed.pem").write_text("secret")
    (source / "ssl/closed.pem").chmod(0o640)
    (source / "ssl/proxy").write_text("http://user:secret@proxy.example/")
    (source / "unknown").write_text("secret")
    target.mkdir()
    skeleton_module.Chosen.read(str(source)).write(str(target))
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "ssl",
        "ssl/open.pem",
    ]


@pytest.fixture
def environment() -> Iterator[Path]:
    """A virtual environment below `/tmp`, with a script of its own."""
    with tempfile.TemporaryDirectory(prefix="environment-", dir="/tmp") as folder:
        path = Path(folder, "venv")
        venv.create(path, symlinks=True)
        script = path / "bin" / "greet"
        script.write_text(f"#!{path}/bin/python3\nimport sys; print('hello from', sys.prefix)\n")
        script.chmod(0o755)
        yield path


#: Runs a shell script as the main process of a sandbox, and prints what that prints.
RUN_IN_A_SANDBOX = """
import asyncio, sys
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine

async def main():
    engine = LocalEngine()
    await engine.start()
    try:
        task = await engine.create(TaskSpec(main=ProcessSpec(("sh", "-c", sys.argv[1]))))
        await task.wait()
        for stream in (task.main.stdout, task.main.stderr):
            print(b"".join([chunk async for chunk in stream.follow()]).decode(), end="")
    finally:
        await engine.close()

asyncio.run(main())
"""


def test_a_virtual_environment_below_tmp_shows_elsewhere_and_works(environment: Path) -> None:
    script = "ls -A /tmp; greet; python3 -c 'import sys; print(sys.prefix)'; command -v python3"
    packages = [str(Path(pytest_sandbox.__file__).parents[1]), *filter(None, sys.path)]
    done = subprocess.run(
        [environment / "bin/python3", "-c", RUN_IN_A_SANDBOX, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    moved = "/opt/python-environment/venv"
    assert done.stdout.splitlines() == [f"hello from {moved}", moved, f"{moved}/bin/python3"]


@pytest.mark.parametrize(
    "begin",
    ["#!{}/python3.11", "#!{}/python -I", "#!/bin/sh\n'''exec' {}/python3 \"$0\" \"$@\"\n' '''"],
)
def test_scripts_of_a_moved_environment_name_its_new_path(tmp_path: Path, begin: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "script").write_text(begin.format(folder) + "\nprint()\n")
    (folder / "script").chmod(0o755)
    rewritten = (begin.format("/moved/bin") + "\nprint()\n").encode()
    assert scripts.rewritten(str(tmp_path), "/moved") == {"script": rewritten}


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#!/usr/bin/python3\n", "", "\0ELF"])
def test_programs_that_name_no_path_of_the_environment_are_not_copied(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/program").write_text(text)
    (tmp_path / "bin/program").chmod(0o755)
    assert scripts.rewritten(str(tmp_path), "/moved") == {}
