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


# The real client for Modal, of which these tests need no more than an exception.

#: A module `modal` whose call of the cloud fails as in the real one.
MODAL = """
class AuthError(Exception):
    __module__ = "modal.exception"


def lookup():
    raise AuthError("Token missing. Could not authenticate client.")
"""


def test_the_server_of_modal_for_a_wider_scope(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="session")
        def app(modal_server): ...

        def test_it(app): ...
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*--- modal_server ---*", "*the session that asks for it*leave out its scope.*"]
    )


def test_modal_without_its_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(of_program=MODAL)
    pytester.makepyfile(
        """
        import of_program
        import pytest

        @pytest.fixture(scope="module")
        def app():
            of_program.lookup()

        def test_without():
            of_program.lookup()

        @pytest.mark.modal_server(in_process=False)
        def test_before(app, modal_server): ...

        @pytest.mark.modal_server(in_process=False, engine="fake")
        def test_with(modal_server):
            of_program.lookup()
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=2, errors=1)
    text = result.stdout.str()
    assert text.count("--- modal_server ---") == 2
    assert text.count("as this test does not have the fixture modal_server") == 1
    assert text.count("as a fixture used it before modal_server was there") == 1


def test_modal_while_a_module_is_imported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(of_program=MODAL + "\n\nlookup()\n")
    pytester.makepyfile("import of_program\n\ndef test_it(modal_server): ...")

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--- modal_server ---*", "*while a module was imported*"])
