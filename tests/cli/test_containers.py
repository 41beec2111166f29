"""The recipes for containers, run as they stand with podman, on an image of the machine's files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pip
import pytest

from tests.support.containers import LIMITS, ROOT, make_root, volumes

TEXT = (ROOT / "docs/ci.md").read_text().replace("\\\n", "")
#: The recipes of the document in its order, and how the mode begins that each gives.
NAMES = ["docker root", "podman root", "podman user", "privileged"]
MODES = [*2 * ["rootless, subordinate ids"], "rootless, single id", "root, "]
RECIPES = re.findall(r"```sh\n((?:docker|podman) run .*?)```", TEXT, re.DOTALL)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not shutil.which("podman"), reason="needs podman"),
    pytest.mark.skipif(not shutil.which("runc"), reason="needs runc"),  # crun: no cgroups v1
]

#: A project whose build needs no network: installing it makes the packages of this Python usable.
PYPROJECT = """
[project]
name = "tested"
version = "1"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[tool.pytest.ini_options]
sandbox_engine_options = ["processes=50"]  # fewer than by default, as each takes time
"""
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tested-1-py3-none-any.whl"
    info = {
        "METADATA": "Metadata-Version: 2.1\\nName: tested\\nVersion: 1\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "entry_points.txt": "[console_scripts]\\npytest = pytest:console_main\\n",
    }
    files = {f"tested-1.dist-info/{file}": text for file, text in info.items()}
    files["tested.pth"] = "".join(f"import site; site.addsitedir({each!r})\\n" for each in %r)
    files["tested-1.dist-info/RECORD"] = "".join(f"{file},,\\n" for file in files)
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name
"""
#: The image's Python. For an environment it would unpack pip and compile it, which takes longer
#: than all the rest of a recipe; so the environment gets the pip of this run.
PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    {python} -m venv --without-pip "$3" && ln -s {pip} "$3"/lib/python*/site-packages/ &&
        printf '#!/bin/sh\\nexec "%s/bin/python" -m pip "$@"\\n' "$3" > "$3/bin/pip" &&
        chmod +x "$3/bin/pip"
else
    exec {python} "$@"
fi
"""
#: Without what takes time and proves nothing: other plugins, and looking for updates of pip.
QUICKLY = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "pytest_sandbox.plugin",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
TEST = """
BOMB = '''
import os, signal
count = 0
while count < 100:
    try:
        if os.fork() == 0:
            signal.pause()
    except BlockingIOError:
        break
    count += 1
print(count)
'''

def test_it(sandbox):
    assert sandbox.run("id", "-u").stdout == "0\\n"
    assert sandbox.run("cat", "/etc/hostname").stdout

def test_mode(sandbox_engine, capsys):
    with capsys.disabled():
        print(f"[{sandbox_engine.mode}]")

def test_processes_are_bounded(sandbox):
    assert 40 < int(sandbox.run("python3", "-c", BOMB).stdout) <= 50
"""


@pytest.fixture
def image(tmp_path: Path) -> list[str]:
    """Options of podman for an image with the machine's `/usr` and this Python, as `python`."""
    root = tmp_path / "root"
    make_root(root)
    python = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    command = root / "opt/bin/python"
    command.write_text(PYTHON.format(python=python, pip=Path(pip.__file__).parent))
    command.chmod(0o755)
    subprocess.run([command, "-m", "venv", f"{tmp_path}/env"], check=True)
    shown = [*volumes(), f"--volume={tmp_path}/env:{tmp_path}/env"]
    path = f"/opt/bin:{tmp_path}/env/bin:{sys.prefix}/bin:/usr/bin:/bin"
    environment = [f"--env={name}={value}" for name, value in {"PATH": path, **QUICKLY}.items()]
    return [*shown, *environment, "--rootfs", f"{root}:O"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND % packages)
    (folder / "test_it.py").write_text(TEST)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that begins with `docker run`, with podman; see `podman-run(1)`."""
    _, run, *rest = command
    assert run == "run"
    done = subprocess.run(
        ["podman", "--runtime=runc", "run", *LIMITS, *rest],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    sys.stdout.write(done.stdout)
    return done


def test_there_are_recipes() -> None:
    assert len(RECIPES) == len(MODES)


@pytest.mark.parametrize(("recipe", "mode"), list(zip(RECIPES, MODES, strict=False)), ids=NAMES)
def test_a_recipe_as_it_stands(recipe: str, mode: str, image: list[str], project: Path) -> None:
    words = shlex.split(recipe.replace("$PWD", str(project)))
    at = words.index("python:3.13")
    words[at : at + 1] = image

    said = run(words, project).stdout
    assert "3 passed" in said
    assert f"[{mode}" in said


def test_in_a_container_without_capabilities_the_doctor_says_what_works(
    image: list[str], project: Path
) -> None:
    dropped = ["docker", "run", "--rm", "--cap-drop=ALL"]
    done = run([*dropped, *image, "pytest-sandbox", "doctor"], project)

    assert done.returncode == 1
    assert "This is a Podman container." in done.stdout
    opened, _, privileged = [
        line.split()[2:-1] for line in done.stdout.splitlines() if "podman run" in line
    ]
    capabilities = [f"--cap-add {name}" for name in ("DAC_OVERRIDE", "SETGID", "SETUID")]
    root = shlex.split(RECIPES[1])
    assert opened == [*root[2 : root.index("--rm")], *" ".join(capabilities).split()]
    assert privileged == ["--privileged"]
    done = run([*dropped, *opened, *image, "pytest-sandbox", "doctor"], project)
    assert "Sandboxes work here: rootless, subordinate ids." in done.stdout


def test_in_a_plain_container_a_test_says_it_too(image: list[str], project: Path) -> None:
    options = ["--rm", f"--volume={project}:/src", "--workdir=/src", "--user=1000:1000"]
    done = run(["docker", "run", *options, *image, "pytest"], project)

    assert "What to do: This is a Podman container." in done.stdout
    assert "podman run --security-opt unmask=ALL" in done.stdout


WITHOUT_ISOLATION = """
def test_it(sandbox, sandbox_engine):
    with sandbox.open("f", "w") as file:
        file.write("text")
    done = sandbox.run("sh", "-c", "cat f; true > /tmp/outside; echo $?; id -u")
    text, code, uid = done.stdout[:4], *map(int, done.stdout[4:].split())
    assert (text, code == 0, uid == 0) == ("text", False, False)
    assert sandbox_engine.mode.startswith("NO ISOLATION")
"""


def test_in_a_plain_container_root_has_the_engine_of_processes(
    image: list[str], project: Path
) -> None:
    (project / "test_it.py").write_text(WITHOUT_ISOLATION)
    options = ["--rm", f"--volume={project}:/src", "--workdir=/src"]
    pytest_options = ["-p", "no:cacheprovider", "--sandbox-engine=process"]
    done = run(["docker", "run", *options, *image, "pytest", *pytest_options], project)

    assert "1 passed" in done.stdout


def test_in_a_chroot_the_doctor_says_so(tmp_path: Path) -> None:
    """By the command of util-linux, in a mount namespace that ends with it."""
    script = 'mount --rbind / "$1" && exec chroot "$1" "$2" -m pytest_sandbox.cli doctor'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "    This is a chroot." in done.stdout.splitlines()
    assert "podman run --rootfs" in done.stdout
