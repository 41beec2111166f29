"""A run inside a run, in one process: each has an engine of its own."""

import pytest


def test_the_outer_run_goes_on_with_its_engine_after_an_inner_one(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest("pytest_plugins = ['pytester']")
    pytester.makepyfile(
        """
        from pytest_sandbox import Client, Sandbox

        INNER = '''
        from pytest_sandbox import Client, Sandbox

        def test_inner(sandbox, sandbox_engine):
            assert Client.default() is sandbox_engine.client
            assert sandbox.exec("echo", "inner").stdout.read() == "inner\\\\n"
            print("socket", sandbox_engine.socket)
        '''

        def test_outer(pytester, sandbox, sandbox_engine):
            pytester.makepyfile(INNER)
            for _ in range(2):
                result = pytester.runpytest_inprocess("-s")
                result.assert_outcomes(passed=1)
                assert sandbox_engine.socket not in result.stdout.str()
            assert Client.default() is sandbox_engine.client
            assert sandbox.exec("echo", "outer").stdout.read() == "outer\\n"
            assert Sandbox.create().poll() is None
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=1)


def test_inner_runs_alone_import_the_client_once(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("pytest_plugins = ['pytester']")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_outer(pytester, number):
            pytester.makepyfile("def test_inner(sandbox): ...")
            result = pytester.runpytest_inprocess("--sandbox-engine=fake")
            result.assert_outcomes(passed=1)
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=2)
