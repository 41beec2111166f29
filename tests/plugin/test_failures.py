"""What a report shows of the sandboxes of a test that failed."""

from xml.etree import ElementTree

import pytest

from .conftest import SHARED_BY_WORKERS

pytestmark = pytest.mark.usefixtures("shared_engine")


def sections(result: pytest.RunResult) -> list[str]:
    """The headings of the sections about sandboxes."""
    lines = [line.strip("- ") for line in result.outlines if line.startswith("---")]
    return [line for line in lines if line.startswith(("sandbox", "more", "left"))]


def test_a_failing_test_shows_the_commands_exit_codes_and_output_of_its_sandbox(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            assert sandbox.exec("echo", "one\\ttwo").wait() == 0
            assert sandbox.exec("sh", "-c", "echo oh no >&2; exit 3").wait() == 0
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*--- sandbox sb-* ---*",
            "image host, running for *",
            "used * s of processors, *",
            "[[]1[]] echo 'one*two'",
            "    exit code 0 after * s",
            "    stdout:",
            "        one    two",
            "[[]2[]] sh -c 'echo oh no >&2; exit 3'",
            "    exit code 3 after * s",
            "    stderr:",
            "        oh no",
        ],
        consecutive=True,
    )


def test_a_timeout_is_shown_with_its_length(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(timeout=1)
        def test_it(sandbox):
            sandbox.wait()
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(["image host, timeout of 1 s reached after 1.* s"])


def test_the_limit_of_memory_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(fake_sandboxes):
            box = Sandbox.create("tail", "-c", "9999999", memory=(1, 4))
            for _ in range(5):
                box.stdin.write(bytes(1024 * 1024))
                box.stdin.drain()
            box.wait()
            assert False
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(["image *, * ran out of memory (its limit is 4 MiB) after*"])


@pytest.mark.parametrize("engine", ["local", "fake"])
def test_a_command_that_could_not_start_is_listed(pytester: pytest.Pytester, engine: str) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_it(sandbox):
            with pytest.raises(Exception, match="nope"):
                sandbox.exec("nope", "--fast")
            assert sandbox.exec("echo", "hi").wait() == 1
        """
    )

    result = pytester.runpytest(f"--sandbox-engine={engine}")

    result.stdout.fnmatch_lines(
        [
            "[[]1[]] nope --fast",
            "    could not start: *nope*",
            "[[]2[]] echo hi",
            "    exit code 0 after * s",
        ],
        consecutive=True,
    )


def test_an_assertion_about_a_call_is_explained_as_it_was_written(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            assert sandbox.exec("false").wait() == 0
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(
        [
            "E*where 1 = wait()",
            "E*where wait = ContainerProcess(false, exit code 1).wait",
            "E*where ContainerProcess(false, exit code 1) = exec('false')",
            "E*where exec = Sandbox('sb-*').exec",
        ]
    )


def test_a_test_that_passes_shows_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(sandbox): assert sandbox.exec('true').wait() == 0")

    assert sections(pytester.runpytest("-rA")) == []


def test_every_sandbox_is_shown_also_those_that_the_test_created_itself(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Sandbox

        def test_it(sandbox, sandbox_factory):
            sandbox_factory(name="second")
            Sandbox.create("echo", "from the third").wait()
            assert False
        """
    )

    result = pytester.runpytest()

    assert len(sections(result)) == 3
    result.stdout.fnmatch_lines(["*sandbox sb-* 'second' *", "*exited with code 0 after*"])
    result.stdout.fnmatch_lines("*from the third")


def test_of_many_sandboxes_some_are_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox_factory):
            for _ in range(12):
                sandbox_factory()
            assert False
        """
    )

    result = pytester.runpytest()

    assert len(sections(result)) == 11
    result.stdout.fnmatch_lines(["*more sandboxes*", "(2 not shown)"])


def test_of_many_sandboxes_those_are_shown_in_which_something_failed(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox_factory):
            sandboxes = [sandbox_factory(name=f"number-{n}") for n in range(12)]
            sandboxes[0].run("sh", "-c", "echo oh no >&2; exit 3")
            assert False
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(["*sandbox sb-* 'number-0' *", "        oh no"])
    result.stdout.fnmatch_lines(["*sandbox sb-* 'number-11' *", "(2 not shown)"])
    result.stdout.no_fnmatch_line("*sandbox sb-* 'number-1' *")


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["-v"], 25),
        (["-vv"], 250),
        (["-vv", "--sandbox-report-lines=7"], 7),
        (["-o", "sandbox_report_lines=3"], 3),
    ],
)
def test_the_length_of_output_is_an_option(
    pytester: pytest.Pytester, arguments: list[str], lines: int
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            sandbox.run("seq", "1000")
            assert False
        """
    )

    result = pytester.runpytest(*arguments)

    assert sum(line.strip().isdecimal() for line in result.outlines) == lines


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_fixture_that_fails_shows_them_too(pytester: pytest.Pytester, phase: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def service(sandbox):
            sandbox.exec("echo", "I was here").wait()
            assert {phase == "teardown"}
            yield
            assert False

        def test_it(service): ...
        """
    )

    result = pytester.runpytest()

    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines([f"*ERROR at {phase} of test_it*", "*I was here*"])


def test_a_sandbox_of_a_wider_fixture_is_shown_with_the_test_that_was_given_it(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.fixture(scope="module")
        def database():
            return Sandbox.create(name="database")

        def test_first(database): ...
        def test_with(database): assert False
        def test_without(): assert False
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=1, failed=2)
    assert len(sections(result)) == 1


def test_a_sandbox_in_memory_is_not_looked_up_on_the_engine_of_the_run(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.fixture
        def made(fake_sandboxes):
            return Sandbox.create()

        def test_on_the_engine_of_the_run(sandbox):
            sandbox.run("true")

        def test_in_memory(made):
            made.exec("false")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*commands that failed or still run*"])
    assert sections(result) == []


def test_secrets_are_not_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_sandbox import Secret

        TOKEN, KEY = "tok" + "en-1234", "key" + "-5678"

        @pytest.mark.sandbox(secrets=[Secret.from_dict({"TOKEN": TOKEN})])
        def test_it(sandbox):
            os.environ["SHOWN"] = sandbox.exec("printenv", "TOKEN").stdout.read().strip()[:3]
            command = "echo $TOKEN; echo $KEY >&2"
            sandbox.exec("sh", "-c", command, secrets=[Secret.from_dict({"KEY": KEY})]).wait()
            pytest.fail("it ends here", pytrace=False)
        """
    )

    result = pytester.runpytest("--tb=short")

    assert "token-1234" not in result.stdout.str()
    assert "key-5678" not in result.stdout.str()
    assert result.stdout.str().count("[secret]") == 3


def test_what_a_hostile_program_prints_cannot_move_the_cursor(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
        def test_it(sandbox):
            sandbox.exec("printf", "\\033[2J\\033]0;owned\\007\\342\\200\\256").wait()
            raise AssertionError
        """
    )

    result = pytester.runpytest("--tb=no")

    assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout.str())


def test_a_flood_of_output_is_cut(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            sandbox.exec("sh", "-c", "yes | head -c 1000000; echo the end").wait()
            assert False
        """
    )

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(["    stdout, the last 56 of 1000008 bytes:", "        the end"])
    assert len(result.stdout.str()) < 20_000


def test_sections_travel_from_the_workers_of_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            assert sandbox.exec("echo", "far away").wait() == 1
        """
    )

    result = pytester.runpytest_inprocess("-n1", SHARED_BY_WORKERS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*sandbox sb-*", "[[]1[]] echo 'far away'", "*far away"])


@pytest.mark.parametrize(
    "arguments", [(), ("-n1", SHARED_BY_WORKERS)], ids=["one process", "xdist"]
)
def test_junit_xml_has_the_sandboxes_with_the_failure(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            assert sandbox.exec("sh", "-c", "echo oh no >&2; exit 3").wait() == 0
        """
    )

    pytester.runpytest_inprocess("--junit-xml=report.xml", *arguments)

    failure = ElementTree.parse(pytester.path / "report.xml").find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert "[1] sh -c 'echo oh no >&2; exit 3'" in failure.text
    assert "        oh no" in failure.text
    assert "oh no" not in failure.attrib["message"].partition("where")[0]


def test_the_debugger_shows_the_sandboxes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("_pytest.debugging.post_mortem", lambda _: None)
    pytester.makepyfile(
        """
        def test_it(sandbox):
            sandbox.exec("echo", "far away").wait()
            assert False
        """
    )

    result = pytester.runpytest_inprocess("--pdb", "--tb=no")

    result.stdout.fnmatch_lines(
        ["*> traceback >*", "[[]1[]] echo 'far away'", "*> entering PDB >*"]
    )


def test_show_capture_no_hides_the_sandboxes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(sandbox): assert not sandbox")

    assert sections(pytester.runpytest("--show-capture=no")) == []


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("fixture", ["sandbox", "sandbox_factory", "template"])
def test_a_fixture_in_a_plain_given_says_what_to_use(
    pytester: pytest.Pytester, fixture: str
) -> None:
    pytester.makepyfile(
        f"""
        from hypothesis import given, strategies as st
        from pytest_sandbox import sandbox_template

        @sandbox_template
        def template(sandbox): ...

        @given(st.integers())
        def test_it({fixture}, number): ...
        """
    )

    result = pytester.runpytest("-p", "hypothesispytest")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- sandboxes and @given -*",
            f"All examples would share what '{fixture}' gave to the test.*",
            "*sandbox.restore(clean)",
        ]
    )
