"""Mistakes that pytest or Python reports in words of their own get a hint."""

import pytest

pytestmark = pytest.mark.usefixtures("all_plugins", "shared_engine")


@pytest.mark.parametrize("fixture", ["sandbox", "sandbox_factory", "fake_sandboxes"])
def test_a_fixture_of_a_wider_scope(pytester: pytest.Pytester, fixture: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture(scope="module")
        def shared({fixture}): ...

        def test_it(shared): ...
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ScopeMismatch*",
            "*sandboxes for more than one test*",
            f"'{fixture}' is made for each test. What tests of a module can share:",
            '    @sandbox_template(scope="session")',
            "*`Sandbox.create()` in the fixture*",
            "*the fixture `sandbox_factory`.",
        ]
    )


def test_other_fixtures_are_their_own_matter(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def shared(monkeypatch): ...

        def test_it(sandbox, shared): ...
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*for more than one test*")


@pytest.mark.parametrize("engine", ["local", "fake"])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('await sandbox.exec("true")', "await ….exec.aio(…)"),
        ('found = await sandbox.run("true")', "await ….run.aio(…)"),
        ('await (await sandbox.exec.aio("true")).wait()', "await ….wait.aio(…)"),
        ('assert await sandbox.filesystem.read_text("/etc/passwd")', "await ….read_text.aio(…)"),
        ("await sandbox_factory()", "await sandbox_factory.aio(…)"),
        ("await sandbox.terminate()", "await ….terminate.aio(…)"),
    ],
)
def test_the_result_of_a_blocking_call_is_awaited(
    pytester: pytest.Pytester, engine: str, statement: str, said: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.asyncio
        async def test_it(sandbox, sandbox_factory):
            {statement}
        """
    )

    filters = "-Wdefault::RuntimeWarning"
    result = pytester.runpytest(f"--sandbox-engine={engine}", filters)

    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*--- await ---*", f"*To await it, write: {said}"])


def test_what_others_await_gets_no_hint(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_it(sandbox):
            await len("abc")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*--- await ---*")
