"""The figures of whole runs of pytest."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .samples import Samples
from .session import Bench

#: Tests of the suites that are compared.
TESTS = 200
_COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
_MOST_COLLECTS = 33  # samples: each is slow

_SET_UP = "mkdir -p /srv/app && cd /srv/app && seq 20000 > data && sort -rn data > sorted"
_SUITE = f"""
import pytest
from pytest_sandbox import sandbox_template

@sandbox_template()
def app(sandbox):
    sandbox.run("sh", "-c", {_SET_UP!r}, check=True)

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(app, number):
    assert app.run("head", "-n", "1", "/srv/app/sorted", check=True).stdout == "20000\\n"
"""
_FRESH_SUITE = _SUITE.replace("@sandbox_template()", "@pytest.fixture").replace(
    "check=True)\n\n", "check=True)\n    return sandbox\n\n", 1
)
_EMPTY_SUITE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(sandbox, number):
    pass
"""
#: Writes the milliseconds of set-up and teardown of each test but the first, which waits for the
#: engine.
_CONFTEST = """
import json

times = {}

def pytest_runtest_logreport(report):
    if report.when != "call":
        times[report.nodeid] = times.get(report.nodeid, 0) + report.duration * 1000

def pytest_sessionfinish(session):
    (session.config.rootpath / "times").write_text(json.dumps(list(times.values())[1:]))
"""
_USING_SUITE = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it({fixture}, number):
    {body}
"""
_COMMAND_IN_IT = 'assert sandbox.run("true").returncode == 0'
_NO_SANDBOX = 'import subprocess; subprocess.run(["/bin/true"], cwd=tmp_path, check=True)'


def collect(bench: Bench) -> None:
    """How much the plugin slows a project that does not use it; no other plugin is loaded."""
    ours, baseline = Samples(), Samples()
    command = [*_COMMAND, "--collect-only"]
    # With compiled modules, as an installation has them.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        for _ in bench.cycles("pytest --collect-only, with and without", _MOST_COLLECTS):
            for samples, extra in ((ours, ["-p", "pytest_sandbox.plugin"]), (baseline, [])):
                with samples.sample():
                    subprocess.run([*command, *extra], cwd=folder, env=env, capture_output=True)
    bench.timing("pytest --collect-only", ours, "without the plugin", baseline)
    bench.fact("  the plugin adds", ours.p50 - baseline.p50, "ms")


def fixture(bench: Bench) -> None:
    """Set-up and teardown of tests that run one command in a sandbox."""
    ours, baseline = Samples(), Samples()
    for _ in bench.cycles("2 suites, with the fixture sandbox and without", 1):
        ours.totals += _set_ups(bench.samples, "sandbox", _COMMAND_IN_IT)
        baseline.totals += _set_ups(bench.samples, "tmp_path", _NO_SANDBOX)
    name = "set-up and teardown: sandbox"
    bench.timing(name, ours, "set-up and teardown: tmp_path", baseline)


def template_suite(bench: Bench) -> None:
    """A suite on one template, beside one that sets up each time and one with nothing to do."""
    suites = {"template": _SUITE, "fresh": _FRESH_SUITE, "empty": _EMPTY_SUITE}
    seconds: dict[str, list[float]] = {name: [] for name in suites}
    for _ in bench.cycles(f"3 suites of {TESTS} tests", 1):
        for name, text in suites.items():
            seconds[name].append(_seconds(text))
    bench.fact(f"suite of {TESTS} tests on one template", seconds["template"], "s")
    bench.fact("  that sets up for each test instead", seconds["fresh"], "s")
    bench.fact("  with empty sandboxes", seconds["empty"], "s")


def _set_ups(count: int, fixture: str, body: str) -> list[float]:
    """Milliseconds of the set-up and teardown of each of so many tests."""
    with tempfile.TemporaryDirectory() as folder:
        suite = _USING_SUITE.format(count=count + 1, fixture=fixture, body=body)
        Path(folder, "test_suite.py").write_text(suite)
        Path(folder, "conftest.py").write_text(_CONFTEST)
        subprocess.run(_COMMAND, cwd=folder, check=True, capture_output=True)
        times: list[float] = json.loads(Path(folder, "times").read_text())
    return times


def _seconds(text: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(text)
        started = time.perf_counter()
        subprocess.run(_COMMAND, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started
