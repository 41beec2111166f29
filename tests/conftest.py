"""What all tests share: what a skip means in CI, and released Modal clients."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]  # pytest allows this only here, in the topmost folder of tests

# What a shell starts in the background ignores SIGINT, what `nohup` starts ignores SIGHUP, and so
# do their children; but there are tests that interrupt themselves, and programs that they started.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

#: Set by CI systems. There, all that a test needs is there, so a skip is a failure.
IN_CI = bool(os.environ.get("CI"))

#: How the reason of a skip begins that holds in CI too, because another part of it has what
#: this one lacks: CI runs the tests as root and as an ordinary user.
FAIR_SKIPS: tuple[str, ...] = ("needs an ordinary user",)
if os.geteuid() != 0:
    _LIMITS = ("no pids cgroup", "no memory limit", "no cpu limit", "no cgroup controller")
    FAIR_SKIPS = ("needs root", "the engine cannot do this here", *_LIMITS)
# What an engine can do needs no refusal; no machine of CI has a GPU, and its kernel may be built
# without Landlock.
FAIR_SKIPS += ("the engine can do this", "the engine cannot do this here: gpu")
FAIR_SKIPS += ("this kernel has no Landlock",)
# 300 MB for one module; CI has it in one of its environments.
FAIR_SKIPS += ("needs the package ray",)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, unless its reason is a fair one."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    if not reason.removeprefix("Skipped: ").startswith(FAIR_SKIPS):
        report.outcome = "failed"
        report.longrepr = (
            f"{reason}\nA skip in CI is a failure: see FAIR_SKIPS in tests/conftest.py."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI:
        refuse_skip(report)
    return report


#: Files, and folders of them, whose tests share what is slow to make, such as an engine process: a
#: worker of pytest-xdist gets all of a file or none.
#: (Marks of `xdist_group` have no effect in pytest-xdist 3.8 under pytest 9.2.)
ONE_WORKER_EACH = (
    "tests/faults/",
    "tests/local/test_editable.py",
    "tests/local/test_snapshot_fidelity.py",
    "tests/security/test_bounds_of_users.py",
    "tests/unit/test_packaging.py",
    "tests/unit/test_structure.py",
    "tests/unit/test_wire.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Start half as many workers again as there are processors, for `-n auto`.

    The tests wait for other processes, and for time limits, in a third of their time.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # pytest-xdist takes what it says
    return len(os.sched_getaffinity(0)) * 3 // 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each worker one test after another, but a file of `ONE_WORKER_EACH` as a whole."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByTestOrFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file.startswith(ONE_WORKER_EACH) else nodeid

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            """Forget what is done: all that a worker had is counted again after each test."""
            super().mark_test_complete(node, item_index, duration)
            assigned = self.assigned_work[node]
            scope = self._split_scope(self.registered_collections[node][item_index])
            if all(assigned[scope].values()):
                del assigned[scope]

    return ByTestOrFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from looking, now and in each collection, at all tests there are.

    It takes a quarter of the time of collecting them, and a tenth of that of running them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder for sockets: paths of `tmp_path` can be too long for one, see unix(7)."""
    with tempfile.TemporaryDirectory(prefix="short-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture(autouse=True)
def alike_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that a test runs prints in CI what it prints elsewhere."""
    monkeypatch.delenv("CI", raising=False)


def fetch_wheel(requirement: str, folder: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    command = (*pip, "--no-deps", "--dest", str(folder), requirement)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the package index gave no {requirement}: {done.stderr.strip()}")
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def modal_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Downloads a release of Modal's client, by requirement; nothing of it is installed."""
    found: dict[str, Path] = {}

    def download(requirement: str) -> Path:
        if requirement not in found:
            found[requirement] = fetch_wheel(requirement, tmp_path_factory.mktemp("wheel"))
        return found[requirement]

    return download


@pytest.fixture(scope="session")
def mounted() -> Callable[[], set[str]]:
    """Tells what is mounted on this machine, without what other tests mount at the same time.

    Some run container engines, and some mount file systems in temporary folders of theirs.
    """

    def mounts() -> set[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        others = ("/containers/", "/pytest-of-")
        return {line for line in lines if not any(part in line.split()[4] for part in others)}

    return mounts
