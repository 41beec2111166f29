"""An engine that cannot start is reported in full once per run, and in a line by other tests."""

from pathlib import Path

import pytest

#: All that a test shows then.
TOLD = ("no sandbox engine: no user namespaces here", "What to do: sysctl -w it")

#: Stands in for an engine process that cannot start.
NO_ENGINE = """
import json
from pathlib import Path
from pytest_sandbox._run import engine_process

(Path(__file__).parent / "server.py").write_text(
    "print({!r})".format(
        json.dumps({"error": {"reason": "no user namespaces here", "remedy": "sysctl -w it"}})
    )
)
engine_process.SERVER = (str(Path(__file__).parent / "server.py"),)
"""


@pytest.fixture
def no_engine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sandbox._run.engine_process.SERVER", ())  # undone after the test
    pytester.makeconftest(NO_ENGINE)


@pytest.mark.usefixtures("no_engine")
def test_a_fixture_says_why_there_is_no_engine_and_what_to_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_one(sandbox): ...
        def test_two(sandbox_factory): sandbox_factory()
        def test_three(sandbox_engine): ...
        def test_four(): ...
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=2, failed=1, passed=1)
    lines = {
        "*ERROR at setup of test_one*": TOLD,
        "*setup of test_three*": (f"{TOLD[0]} (see *.py::test_one)",),
        "*_ test_two _*": (f"{TOLD[0]} (see *.py::test_one)",),
    }
    for heading, told in lines.items():
        result.stdout.fnmatch_lines([heading, *told], consecutive=True)
    assert result.stdout.str().count(TOLD[1]) == 1
    assert len(result.outlines) < 33, result.stdout.str()


@pytest.mark.usefixtures("no_engine")
def test_there_is_no_run_for_want_of_a_directory(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytester.makepyfile("def test_one(sandbox): ...\ndef test_two(sandbox): ...")
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    result = pytester.runpytest()

    result.assert_outcomes(errors=2)
    assert result.stdout.str().count("Set TMPDIR") == 1


@pytest.mark.usefixtures("no_engine")
def test_so_does_a_test_that_creates_a_sandbox_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(): Sandbox.create()
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*_ test_it _*", *TOLD],
        consecutive=True,
    )


@pytest.mark.usefixtures("no_engine")
def test_workers_report_it_in_full_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(sandbox): ...\ndef test_two(sandbox): ...")

    result = pytester.runpytest_inprocess("-n2")

    result.assert_outcomes(errors=2)
    text = result.stdout.str()
    assert text.count("\n".join(TOLD)) == 1
    assert text.count(f"\n{TOLD[0]} (see test_workers") == 1


def test_an_engine_that_dies_is_told_and_not_replaced(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import signal
        import pytest

        def test_kill(sandbox, sandbox_engine, request):
            directory = request.config.stash[ENGINE].run().directory
            pid = read_record(directory).ready["pid"]
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # dying takes it a while

        def test_after(sandbox): ...

        from pytest_sandbox._run.start_lock import read_record
        from pytest_sandbox.plugin.engine import ENGINE
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_kill*", "*engine process*"])
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_after*",
            "no sandbox engine: the engine process * died during the run",
        ]
    )
