"""Processes that tests start find the run: forks and others, at any time and in any place."""

import os
import subprocess
import sys

import pytest

from pytest_sandbox._run import RUN_VARIABLE, Run

#: Runs Python, which finds the run or says why not.
CHILD = """
import os, subprocess, sys

def child(code, *args, **env):
    code = "import sys; from pytest_sandbox import Sandbox\\n" + code
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True,
                          env={**os.environ, **env})
    return done.stdout + done.stderr

CREATE = "sandbox = Sandbox.create(); print(sandbox.object_id)"
"""


def test_children_share_the_run_and_the_run_ends_what_they_leave(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        CHILD
        + """
from pathlib import Path
from pytest_sandbox import Sandbox

def test_before_anything_else_has_needed_the_engine():
    found = child(CREATE).strip()
    Path("made").write_text(found)
    assert Sandbox.from_id(found).run("true").returncode == 0

def test_it_outlives_the_child_and_the_test(sandbox_engine):
    found = Sandbox.from_id(Path("made").read_text())
    assert found.poll() is None
    assert os.environ["PYTEST_SANDBOX_RUN"] == os.path.dirname(sandbox_engine.socket)

def test_a_child_of_a_child(sandbox):
    run = "print(Sandbox.from_id(sys.argv[1]).run('echo', 'hi').stdout)"
    inner = f"import sys; from pytest_sandbox import Sandbox; {run}"
    outer = f"import subprocess; subprocess.run([sys.executable, '-c', {inner!r}, sys.argv[1]])"
    assert child(outer, sandbox.object_id).strip() == "hi"
"""
    )
    before = os.environ.get(RUN_VARIABLE)

    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest")

    result.assert_outcomes(passed=3)
    assert os.environ.get(RUN_VARIABLE) == before


@pytest.mark.usefixtures("shared_engine")
def test_sandboxes_never_see_the_variable(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        from pytest_sandbox import Sandbox, Secret

        SEEN = "cat /proc/*/environ | tr '\\\\0' '\\\\n'; printenv"

        def test_it(sandbox_factory):
            assert "PYTEST_SANDBOX_RUN" in os.environ
            everything = dict(os.environ)
            secrets = [Secret.from_dict(everything), Secret.from_local_environ(list(everything))]
            created = sandbox_factory("sleep", "1000", env=everything, secrets=secrets)
            for seen in (
                sandbox_factory().run("sh", "-c", SEEN),
                created.run("sh", "-c", SEEN),
                created.run("sh", "-c", SEEN, env=everything, secrets=secrets),
            ):
                assert "PATH=" in seen.stdout
                assert "PYTEST_SANDBOX_RUN" not in seen.stdout
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_workers_of_xdist_and_their_children_share_one_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CHILD
        + '''
import pytest

@pytest.mark.parametrize("number", range(4))
def test_names_are_those_of_the_worker(number, worker_id, sandbox_engine):
    """Else two workers could not have one sandbox each of the same name."""
    name = f"Sandbox.create(name='same{number % 2}'); "
    app = f"print(Sandbox.from_name('pytest-sandbox-{worker_id}', 'same{number % 2}').object_id); "
    said = child(f"one = {name}{app}one.terminate()")
    assert said.startswith("sb-"), said
    assert os.path.dirname(sandbox_engine.socket) == os.environ["PYTEST_SANDBOX_RUN"]
'''
    )

    result = pytester.runpytest_subprocess("-n2", "-p", "no:hypothesispytest")

    result.assert_outcomes(passed=4)


def test_a_child_that_outlives_the_run_is_told_so(pytester: pytest.Pytester) -> None:
    """One that has used a sandbox, and one that first needs one when the run is over."""
    pytester.makepyfile(
        CHILD
        + """
WAIT = '''
import os, time
print("ready", flush=True)
while os.path.exists(os.environ["PYTEST_SANDBOX_RUN"]):
    time.sleep(0.05)
'''

def late(name, code):
    code = "import sys; from pytest_sandbox import Sandbox\\n" + code
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                             stderr=open(name, "w"), start_new_session=True)
    assert child.stdout.readline() == b"ready\\n"

def test_it(sandbox):
    late("user", "sandbox = Sandbox.create(); " + WAIT + "sandbox.run('true')")
    late("novice", WAIT + "Sandbox.create()")
"""
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-W", "ignore").assert_outcomes(
        passed=1
    )

    said = dict.fromkeys(("user", "novice"), "")
    while not all("Error" in text for text in said.values()):
        said = {name: (pytester.path / name).read_text() for name in said}
    assert "Its run has ended. A process that uses sandboxes must end before" in said["user"]
    assert f"has ended, and this process belongs to it, as {RUN_VARIABLE} says" in said["novice"]
    assert f"unset {RUN_VARIABLE}" in said["novice"]


def test_sandboxes_in_memory_are_not_sought_elsewhere(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CHILD
        + """
import multiprocessing, pickle, pytest
from concurrent.futures import ProcessPoolExecutor

def test_fake(fake_sandboxes, sandbox):
    said = child("Sandbox.from_id(sys.argv[1])", sandbox.object_id)
    assert f"in the memory of process {os.getpid()}" in said
    assert "run it on the local engine" in said
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(TypeError, match="Use threads in the test"):
            pool.submit(sandbox.run, "true").result()
        assert pool.submit(abs, -1).result() == 1

def test_on_the_local_engine(sandbox):
    run = "print(Sandbox.from_id(sys.argv[1]).run('echo', 'hi').stdout)"
    assert child(run, sandbox.object_id).strip() == "hi"
"""
    )

    all_fake = pytester.runpytest_subprocess("--sandbox-engine=fake", "-k", "test_fake")
    all_fake.assert_outcomes(passed=1, deselected=1)
    pytester.runpytest_subprocess("--sandbox-engine=local").assert_outcomes(passed=2)


def test_an_outer_run_is_found_again_after_an_inner_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one in memory, whether inner or outer, leaves the variable as it was."""
    monkeypatch.setenv(RUN_VARIABLE, "/outer/run")
    pytester.makepyfile("import os; test_it = lambda: print(os.environ['PYTEST_SANDBOX_RUN'])")

    for engine in ("local", "fake"):
        result = pytester.runpytest_inprocess(f"--sandbox-engine={engine}", "-s")
        result.assert_outcomes(passed=1)
        assert os.environ[RUN_VARIABLE] == "/outer/run"
        assert "/outer/run" not in result.stdout.str()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"version": "0.0.1", "engine": "local", "options": {}}', "0.0.1, and this process has"),
        ('{"version": "9", "unknown": 1}', "Install the same version for both, or unset"),
    ],
)
def test_a_child_with_another_version_is_refused(
    run_of_all: Run, monkeypatch: pytest.MonkeyPatch, settings: str, message: str
) -> None:
    path = run_of_all.directory / "run.json"
    path.write_text(settings)
    monkeypatch.setenv(RUN_VARIABLE, str(run_of_all.directory))
    code = "from pytest_sandbox import Sandbox; Sandbox.create()"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 1
    assert message in done.stderr
    path.unlink()
