"""Templates with processes, where the machine can keep them."""

import textwrap

import pytest

pytestmark = pytest.mark.usefixtures("able")

HEAD = """
import pytest
from pytest_sandbox import sandbox_template

def start(sandbox, name):
    command = f"setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > /srv/{name}"
    sandbox.run("sh", "-c", command, check=True)

def runs(sandbox, name):
    return sandbox.run("sh", "-c", f"cat /proc/$(cat /srv/{name})/comm").stdout == "sleep\\n"
"""


@pytest.fixture(scope="module")
def able() -> None:
    """Skip where the engine takes no memory snapshots."""
    from pytest_sandbox import _run

    run = _run.Run.create()
    try:
        capabilities = run.start("local").engine["capabilities"]
    finally:
        run.close()
    if "memory snapshot" not in capabilities:
        pytest.skip("the engine takes no memory snapshots on this machine: it needs root and CRIU")


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(HEAD + textwrap.dedent(code))
    return pytester.runpytest_subprocess(*options)


def test_every_copy_has_the_processes_of_the_template(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        @sandbox_template(memory=True, env={"A": "1"})
        def running(sandbox):
            start(sandbox, "one")

        @pytest.mark.parametrize("number", range(4))
        def test_it(running, number):
            assert runs(running, "one")
            assert running.run("printenv", "A").stdout == "1\\n"
            running.run("sh", "-c", "kill $(cat /srv/one); rm /srv/one", check=True)
        """,
        "-n2",
        "--sandbox-strict",
    ).assert_outcomes(passed=4)


def test_layers_keep_processes_or_let_them_go(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        @sandbox_template
        def stopped(sandbox):
            sandbox.filesystem.write_text("", "/srv/file")

        @sandbox_template(memory=True)
        def running(stopped):
            start(stopped, "one")

        @sandbox_template(memory=True)
        def more(running):
            start(running, "two")

        @sandbox_template
        def files(running):
            assert runs(running, "one")

        def test_more(more):
            assert runs(more, "one") and runs(more, "two")

        def test_files(files):
            assert files.run("ls", "/srv").stdout == "file\\none\\n"
            assert not runs(files, "one")
        """,
    ).assert_outcomes(passed=2)


def test_a_marker_cannot_change_what_runs_already(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @sandbox_template(memory=True, timeout=100)
        def running(sandbox): ...

        @pytest.mark.sandbox(timeout=100)
        def test_the_same(running): ...

        @pytest.mark.sandbox(timeout=200)
        def test_other(running): ...
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["timeout=200 cannot change a copy of the template 'running'*"])


def test_gpus_of_a_test_with_such_copies_alone_are_in_the_process(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import os

        @sandbox_template(memory=True)
        def running(sandbox):
            start(sandbox, "one")

        @pytest.mark.gpu("L4")
        def test_it(running, gpu):
            assert runs(running, "one")
            assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.uuid
            assert running.run("printenv", "CUDA_VISIBLE_DEVICES").returncode == 1
        """,
        "--gpu=fake",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*::test_it: simulated GPU 0 (NVIDIA L4) in the process of pytest")
