"""One engine for all workers of pytest-xdist."""

from pathlib import Path

import pytest


def test_workers_share_one_engine_and_have_apps_and_names_of_their_own(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.mark.parametrize("number", range(4))
        def test_it(sandbox, sandbox_engine, number, tmp_path_factory):
            shared = tmp_path_factory.getbasetemp().parent / "sockets"
            with shared.open("a") as file:
                file.write(sandbox_engine.socket + "\\n")
            assert set(shared.read_text().split()) == {sandbox_engine.socket}
            worker = os.environ["PYTEST_XDIST_WORKER"]
            assert sandbox_engine.client.app_name == f"pytest-sandbox-{worker}"

        @pytest.mark.parametrize("number", range(4))
        @pytest.mark.sandbox(name="the-one")
        def test_name(sandbox, number):
            assert sandbox.exec("sleep", "0.1").wait() == 0
        """
    )

    pytester.runpytest_inprocess("-n2").assert_outcomes(passed=8)


def test_the_engine_ends_with_the_controller_and_leaves_no_folder(
    pytester: pytest.Pytester, temporary: Path
) -> None:
    pytester.makepyfile(
        """
        def test_one(sandbox): sandbox.exec("sleep", "1000")
        def test_two(sandbox): ...
        """
    )

    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=2)

    assert list(temporary.glob("pytest-sandbox-*")) == []


def test_what_a_crashed_worker_had_is_ended_while_the_others_go_on(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import os
        import pathlib
        import time
        import pytest
        from pytest_sandbox import Sandbox

        ID = pathlib.Path(__file__).with_name("id")

        def test_crash(sandbox):
            ID.with_suffix(".new").write_text(sandbox.object_id)
            ID.with_suffix(".new").rename(ID)
            os._exit(1)

        def test_other():
            deadline = time.monotonic() + 60
            while not ID.exists() or Sandbox.from_id(ID.read_text()).poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert Sandbox.from_id(ID.read_text()).poll() == 137
        """
    )

    result = pytester.runpytest_inprocess("-n2")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("*worker 'gw?' crashed while running*test_crash*")


def test_without_xdist_it_works_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(sandbox): ...")

    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=1)


def test_a_controller_makes_no_engine_when_nobody_needs_one(
    pytester: pytest.Pytester, temporary: Path
) -> None:
    pytester.makepyfile(
        """
        import pathlib
        import tempfile

        def test_it():
            (run,) = pathlib.Path(tempfile.gettempdir()).glob("pytest-sandbox-*")
            assert sorted(path.name for path in run.iterdir()) == ["lease", "run.json"]
        """
    )

    pytester.runpytest_subprocess("-n1").assert_outcomes(passed=1)
