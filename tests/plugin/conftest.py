"""What the tests of the plugin share."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, PackagePath, PathDistribution
from pathlib import Path

import pytest

from pytest_sandbox._run import EngineProcess, Run

from .templates import Project

# `pytester` forgets what a run inside a test has imported, and a second import of cryptography in
# one process makes classes that its compiled part does not know.
with contextlib.suppress(ImportError):
    import trustme as trustme

#: For the runs inside the tests, set after `pytester` cleared the variable: without the plugins
#: that take most of the start of pytest, as they import all of Hypothesis, trio and asyncio.
ADDOPTS = (
    "-p no:hypothesispytest -p no:anyio -p no:asyncio -p no:fakefs -p no:time_machine -p no:socket "
    "-p no:rerunfailures"
)

#: The project of the engine that many runs share: none.
NO_PROJECT = "/no/project"
#: For workers of pytest-xdist, which are processes of their own, in a run that shares the engine.
SHARED_BY_WORKERS = f"--sandbox-engine-option=project={NO_PROJECT}"


@pytest.fixture(autouse=True)
def own_settings(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keep the settings of the person who runs these tests away from the runs inside them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PYTEST_SANDBOX_ENGINE", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)


@pytest.fixture(scope="session", autouse=True)
def listed_once() -> Iterator[None]:
    """Let the runs inside the tests share the list of the files of each installed plugin.

    pytest reads it at each start, to know whose asserts it rewrites: a quarter of a run in this
    process.
    """
    read = vars(Distribution)["files"].fget
    listed: dict[str, list[PackagePath] | None] = {}

    def files(self: PathDistribution) -> list[PackagePath] | None:
        path = str(self._path)
        if path not in listed:
            listed[path] = read(self)
        return listed[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PathDistribution, "files", property(files))
        yield


@pytest.fixture
def all_plugins(own_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs inside the tests load every plugin, and make pytest-asyncio's choice."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-o asyncio_default_fixture_loop_scope=function")


@pytest.fixture(scope="session")
def run_of_all() -> Iterator[Run]:
    """A run with a local engine."""
    run = Run.create()
    run.start("local", {"project": NO_PROJECT})
    yield run
    run.close()


class SharedRun(Run):
    """A run whose engine shows no project, whichever the one is of the run inside."""

    def start(
        self,
        engine: str = "local",
        options: Mapping[str, str] | None = None,
        *,
        tcp: str = "",
        further: Sequence[str] = (),
    ) -> EngineProcess:
        options = {**(options or {}), "project": NO_PROJECT}
        return super().start(engine, options, tcp=tcp, further=further)


@pytest.fixture
def shared_engine(run_of_all: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs inside the tests, in this process, attach to one engine instead of starting one.

    For tests about neither the start nor the end of the engine: these take most of their time.
    """
    monkeypatch.setattr(Run, "create", lambda: SharedRun.attach(run_of_all.directory))


@pytest.fixture
def temporary(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the runs inside."""
    monkeypatch.setenv("TMPDIR", str(short_path))
    return short_path


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """A project with templates."""
    return Project(pytester)
