"""Packages that are installed as editable, by real installers and build backends, in a sandbox."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pytest_sandbox

#: Name of a project to its `build-system`, further settings, and where its package is.
BACKENDS = {
    "setuptools-src": ("setuptools", "setuptools.build_meta", "", "src"),
    "setuptools-flat": ("setuptools", "setuptools.build_meta", "", "."),
    "setuptools-strict": (
        "setuptools",
        "setuptools.build_meta",
        "[tool.setuptools.package-data]\n'*' = ['*.txt']\n",
        "src",
    ),
    "setuptools-compat": ("setuptools", "setuptools.build_meta", "", "src"),
    "hatchling-src": ("hatchling", "hatchling.build", "", "src"),
    "hatchling-flat": (
        "hatchling",
        "hatchling.build",
        "[tool.hatch.build]\ndev-mode-exact = true\n",
        ".",
    ),
    "flit-src": ("flit_core", "flit_core.buildapi", "", "src"),
    "poetry-src": ("poetry-core", "poetry.core.masonry.api", "", "src"),
    "poetry-flat": ("poetry-core", "poetry.core.masonry.api", "", "."),
    "pdm-src": ("pdm-backend", "pdm.backend", "", "src"),
    "pdm-editables": (
        "pdm-backend",
        "pdm.backend",
        "[tool.pdm.build]\neditable-backend = 'editables'\n",
        "src",
    ),
    "uv-src": ("uv_build", "uv_build", "", "src"),
}
BUILD_NEEDS = ["setuptools", "wheel", "hatchling", "editables", "flit_core", "poetry-core"]
BUILD_NEEDS += ["pdm-backend", "uv_build"]
#: What pip installs, which takes some seconds; uv installs the others. Their files are the same.
BY_PIP = ("setuptools-src", "hatchling-src")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with editable packages, and their projects."""

    python: str
    projects: Path


def make_project(folder: Path, name: str, where: str, build: tuple[str, str, str]) -> None:
    module = name.replace("-", "_")
    package = folder / where / module
    (package / "inner").mkdir(parents=True)
    requirement, backend, settings = build
    (folder / "pyproject.toml").write_text(
        f"""
[build-system]
requires = ["{requirement}"]
build-backend = "{backend}"
[project]
name = "{name}"
version = "1.0"
description = "A package"
[project.scripts]
{name}-says = "{module}.cli:main"
{settings}"""
    )
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "data.txt").write_text(f"data of {name}")
    (package / "cli.py").write_text(
        "from pathlib import Path\nimport " + module + ".inner\n"
        "def main():\n    print(Path(__file__).with_name('data.txt').read_text())\n"
    )
    (folder / ".env").write_text("TOKEN=secret")
    (folder / "notes.txt").write_text("not part of the package")
    (package / ".env").write_text("TOKEN=secret")
    (package / "outside").symlink_to(folder / "notes.txt")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    projects = tmp_path_factory.mktemp("projects").resolve()
    # Not below /tmp, where it would show at another path.
    with tempfile.TemporaryDirectory(prefix=".environment-", dir=Path.home()) as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = f"{folder}/bin/python"
        subprocess.run([*uv_install(python), *BUILD_NEEDS], check=True)
        for name, (*build, where) in BACKENDS.items():
            make_project(projects / name, name, where, tuple(build))  # type: ignore[arg-type]
        for command, names in by_command(python).items():
            editable = [argument for name in names for argument in ("-e", str(projects / name))]
            subprocess.run([*command, *editable], check=True)
        yield Installed(python, projects)


def uv_install(python: str) -> list[str]:
    return [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]


def pip_install(python: str) -> list[str]:
    """By our pip, since one of its own takes seconds to install."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    return [*pip, "install", "-q", "--no-compile"]


def by_command(python: str) -> dict[tuple[str, ...], list[str]]:
    """The projects that one command installs, which is slow to start."""
    commands: dict[tuple[str, ...], list[str]] = {}
    for name in BACKENDS:
        command = tuple((pip_install if name in BY_PIP else uv_install)(python))
        command += ("--no-build-isolation", "--no-deps")
        if name.endswith(("strict", "compat")):
            command += (f"--config-settings=editable_mode={name.rpartition('-')[2]}",)
        commands.setdefault(command, []).append(name)
    return commands


#: Runs shell scripts in one sandbox, and prints the output and the code of each as JSON.
RUN = """
import asyncio, json, sys
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine

async def main():
    engine = LocalEngine()
    info = await engine.start()
    task = await engine.create(TaskSpec())
    results = []
    for script in json.loads(sys.argv[1]):
        process = await task.exec(ProcessSpec(("sh", "-c", script + " 2>&1")))
        await process.close_stdin()
        out = b"".join([chunk async for chunk in process.stdout.follow()]).decode()
        results.append([(await process.wait()).returncode, out.strip()])
    await engine.close()
    print(json.dumps([dict(info.details), results]))

asyncio.run(main())
"""


def in_a_sandbox(python: str, *scripts: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    packages = [str(Path(pytest_sandbox.__file__).parents[1]), *filter(None, sys.path)]
    done = subprocess.run(
        [python, "-c", RUN, json.dumps(scripts)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    details, results = json.loads(done.stdout)
    return details, [(code, out) for code, out in results]


def test_the_console_scripts_of_editable_packages_work_inside(installed: Installed) -> None:
    details, results = in_a_sandbox(installed.python, *(f"{name}-says" for name in BACKENDS))
    assert dict(zip(BACKENDS, results, strict=True)) == {
        name: (0, f"data of {name}") for name in BACKENDS
    }, details


def test_of_their_projects_only_the_packages_show(installed: Installed) -> None:
    projects = installed.projects
    _, results = in_a_sandbox(
        installed.python,
        f"cd {projects} && find . -name .env -o -name notes.txt -o -name pyproject.toml",
        f"cat {projects}/setuptools-src/src/setuptools_src/outside",
        f"cd {projects}/poetry-flat/poetry_flat && echo changed > data.txt && poetry-flat-says",
        f"cd {projects}/pdm-src/src/pdm_src && echo TOKEN=mine > .env && cat .env",
    )
    assert results[0] == (0, "")
    assert results[1][0] != 0
    assert results[2:] == [(0, "changed"), (0, "TOKEN=mine")]
    assert (projects / "poetry-flat/poetry_flat/data.txt").read_text() == "data of poetry-flat"
    assert (projects / "pdm-src/src/pdm_src/.env").read_text() == "TOKEN=secret"
