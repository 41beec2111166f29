"""The calls of a test, and what is to go wrong with them."""

import pytest

from .conftest import SHARED_BY_WORKERS

pytestmark = pytest.mark.usefixtures("shared_engine")


def test_only_the_calls_of_the_test_are_seen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_before(sandbox, sandbox_rpcs):
            sandbox.run("true")
            assert sandbox_rpcs.of("SandboxCreate").one().definition.timeout_secs == 300

        def test_after(sandbox_rpcs):
            sandbox_rpcs.none()
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_calls_of_fixtures_are_seen_wherever_they_stand(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def made(sandbox_factory):
            sandbox = sandbox_factory()
            yield sandbox
            sandbox.terminate()

        @pytest.fixture
        def ends(sandbox_rpcs):
            yield
            sandbox_rpcs.in_phase("teardown").of("SandboxTerminate").one()

        def test_it(ends, made, sandbox_rpcs):
            made.run("true")
            assert sandbox_rpcs.of("SandboxCreate").one().phase == "setup"
            assert sandbox_rpcs.of("TaskExecStart").one().phase == "call"
            sandbox_rpcs.in_order("SandboxCreate", "TaskExecStart")
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_the_fixture_can_be_asked_for_late(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox, request):
            rpcs = request.getfixturevalue("sandbox_rpcs")
            sandbox.run("true")
            rpcs.of("SandboxCreate").none()
            assert rpcs.of("TaskExecStart").one().phase == "call"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_test_that_is_skipped_starts_no_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox.plugin.engine import ENGINE

        @pytest.mark.skip
        def test_it(sandbox_rpcs): ...

        def test_none(pytestconfig):
            assert pytestconfig.stash[ENGINE].connected is None
        """
    )

    pytester.runpytest().assert_outcomes(skipped=1, passed=1)


def test_a_failed_assertion_tells_the_closest_call(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox, sandbox_rpcs):
            sandbox_rpcs.of("SandboxCreate").where(definition__timeout_secs=60).one()
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*definition.timeout_secs: expected 60, was 300*"])


def test_workers_see_their_own_calls(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import subprocess
        import sys
        import pytest

        PROGRAM = "from pytest_sandbox import Sandbox; Sandbox.create('true').wait()"

        @pytest.mark.parametrize("number", range(4))
        def test_it(sandbox, sandbox_rpcs, sandbox_engine, number, monkeypatch):
            for _ in range(3):
                sandbox.run("echo", str(number))
            starts = sandbox_rpcs.of("TaskExecStart")
            assert [call.command_args[1] for call in starts] == [str(number)] * 3

        def test_programs_that_the_test_starts(sandbox_rpcs, sandbox_engine, monkeypatch):
            monkeypatch.setenv("PYTEST_SANDBOX_SOCKET", sandbox_engine.socket)
            subprocess.run([sys.executable, "-c", PROGRAM], check=True)
            assert list(sandbox_rpcs.of("SandboxCreate").one().definition.entrypoint_args) == [
                "true"
            ]
        """
    )

    pytester.runpytest_inprocess("-n2", SHARED_BY_WORKERS).assert_outcomes(passed=5)


def test_faults_are_of_the_test_that_sets_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import exceptions

        def test_one(sandbox, sandbox_rpcs, sandbox_faults):
            sandbox_faults.on("TaskExecStart").status("UNAVAILABLE")
            sandbox_faults.on("TaskExecStart").status("ABORTED").always()
            with pytest.raises(exceptions.ConflictError):
                sandbox.exec("true")
            assert [call.status for call in sandbox_rpcs.of("TaskExecStart")] == [
                "UNAVAILABLE",
                "ABORTED",
            ]

        def test_other(sandbox):
            assert sandbox.run("true").returncode == 0
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_a_fault_that_does_not_fire_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox, sandbox_faults):
            sandbox_faults.on("TaskExecStart", nth=2).status("UNAVAILABLE")
            sandbox.run("true")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "faults that did not fire as often as planned:",
            "  <faults.on('TaskExecStart', nth=2).status('UNAVAILABLE')>",
        ]
    )


def test_the_end_of_the_engine_is_told_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import signal

        def test_it(sandbox_rpcs, sandbox_engine, request):
            from pytest_sandbox._run.start_lock import read_record
            from pytest_sandbox.plugin.engine import ENGINE
            directory = request.config.stash[ENGINE].run().directory
            pid = read_record(directory).ready["pid"]
            os.kill(pid, signal.SIGKILL)
            sandbox_rpcs.none()
        """
    )

    result = pytester.runpytest_subprocess()  # with an engine of its own

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*EngineDiedError*"])
