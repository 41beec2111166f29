"""What a user installs is what is in the repository, whichever way it came to them."""

import functools
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Where the source of a wheel comes from: a clone, an archive made by a forge (in which a
#: symbolic link is a file that holds its target), a source distribution.
SOURCES = ("clone", "archive", "sdist")
#: What is of use in a clone only.
CLONE_ONLY = (".gitignore",)

pytestmark = pytest.mark.timeout(300)  # environments are made, and packages downloaded


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Tracked:
    """A file that git knows."""

    path: str
    link: bool

    def copy_to(self, folder: Path, *, links: bool) -> None:
        source, target = ROOT / self.path, folder / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.link and not links:
            target.write_text(os.readlink(source))
        else:
            shutil.copy2(source, target, follow_symlinks=False)


@pytest.fixture(scope="module")
def tracked() -> list[Tracked]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("what belongs to the repository is known in a git checkout, with git")
    listing = run("git", "-c", "safe.directory=*", "ls-files", "-s", "-z", cwd=ROOT)
    lines = [line.partition("\t") for line in listing.split("\0") if line]
    files = [Tracked(path, link=how.startswith("120000")) for how, _, path in lines]
    return [file for file in files if os.path.lexists(ROOT / file.path)]


def environment(folder: Path, *wanted: str | Path) -> subprocess.CompletedProcess[str]:
    """Make one that holds what is wanted, and no pip, which would take most of the time."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    command = (*uv_pip("install", folder), "--quiet", *wanted)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def uv_pip(command: str, environment: Path) -> tuple[str | Path, ...]:
    python = environment / "bin" / "python"
    return (sys.executable, "-m", "uv", "pip", command, "--python", python)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the build backend and nothing else."""
    folder = tmp_path_factory.mktemp("builder")
    made = environment(folder, "setuptools>=77")
    if made.returncode != 0:
        pytest.skip(f"the package index gave no setuptools: {made.stderr.strip()}")
    return folder / "bin" / "python"


def build(builder: Path, kind: str, source: Path, to: Path) -> Path:
    """Call the build backend as pip would (PEP 517), in `source`."""
    code = f"from setuptools.build_meta import build_{kind} as b; print(b({str(to)!r}))"
    return to / run(builder, "-c", code, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, tracked: list[Tracked]) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for file in tracked:
        file.copy_to(folder, links=True)
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, tracked: list[Tracked]) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for file in tracked:
        file.copy_to(folder, links=False)
    return folder


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, clone: Path, builder: Path) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run("tar", "-xf", build(builder, "sdist", clone, folder), cwd=folder)
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


@pytest.fixture(scope="module")
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, builder: Path
) -> Callable[[str], Path]:
    """The wheel that is built from a source, once."""

    @functools.cache
    def wheel(source: str) -> Path:
        folder: Path = request.getfixturevalue(source)
        return build(builder, "wheel", folder, tmp_path_factory.mktemp("wheel"))

    return wheel


@pytest.fixture(scope="module", params=SOURCES)
def wheel(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Path:
    return built(request.param)


def test_a_wheel_holds_the_package_and_nothing_else(wheel: Path, tracked: list[Tracked]) -> None:
    expected = {
        file.path.replace("fakes/", "pytest_sandbox/fakes/", 1)
        if file.path.startswith("fakes/")
        else file.path
        for file in tracked
        if file.path.startswith(("pytest_sandbox/", "fakes/")) and not file.link
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == expected


def test_a_source_distribution_holds_the_repository(sdist: Path, tracked: list[Tracked]) -> None:
    missing = [
        file.path
        for file in tracked
        if not file.link
        and not file.path.startswith(CLONE_ONLY)
        and not (sdist / file.path).is_file()
    ]
    assert missing == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, built: Callable[[str], Path]) -> Path:
    """The `bin` folder of a fresh environment with our wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    made = environment(folder, built("clone"))
    assert made.returncode == 0, made.stderr
    return folder / "bin"


def test_the_package_is_found_installed(installed: Path, tmp_path: Path) -> None:
    code = "import pytest_sandbox as p, pytest_sandbox.fakes as f; print(p.__file__, f.__file__)"
    out = run(installed / "python", "-c", code, cwd=tmp_path, PYTHONPATH="")

    assert all(path.startswith(str(installed.parent)) for path in out.split())


def test_its_dependencies_agree(installed: Path, tmp_path: Path) -> None:
    run(*uv_pip("check", installed.parent), cwd=tmp_path)


def test_pytest_lists_our_options(installed: Path, tmp_path: Path) -> None:
    out = run(installed / "pytest", "--help", cwd=tmp_path, PYTHONPATH="")

    assert "--sandbox-engine" in out
    assert "sandbox_engine (string)" in out


def test_pytest_knows_our_marker(installed: Path, tmp_path: Path) -> None:
    out = run(installed / "pytest", "--markers", cwd=tmp_path, PYTHONPATH="")

    assert "@pytest.mark.sandbox(" in out


def test_the_command_line_is_installed(installed: Path, tmp_path: Path) -> None:
    out = run(installed / "pytest-sandbox", "--help", cwd=tmp_path, PYTHONPATH="")

    assert all(command in out for command in ("doctor", "bench", "serve"))
