"""One test on several engines, and its values compared."""

from collections.abc import Iterator

import pytest

from pytest_sandbox._run import EngineStartError, Run
from pytest_sandbox.plugin.parity.differences import NotPlain, described, plain

FAKE = "--sandbox-engine=fake"
HEADING = "*= values that were recorded on one engine only =*"


@pytest.fixture(scope="module")
def run_of_processes() -> Iterator[Run]:
    run = Run.create()
    run.start("process", {})
    yield run
    run.close()


@pytest.fixture
def processes(run_of_processes: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs inside, on the engine in memory, share one other engine."""
    monkeypatch.setattr(Run, "create", lambda: Run.attach(run_of_processes.directory))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine process starts."""

    def start(*_: object, **__: object) -> None:
        raise EngineStartError("no room")

    monkeypatch.setattr(Run, "start", start)


def test_a_test_uses_its_engine_and_nothing_else_does(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import subprocess
        import sys

        import pytest
        from pytest_sandbox import Sandbox

        PROGRAM = "from pytest_sandbox import Sandbox; print(Sandbox.create().object_id)"

        def engine_of(sandbox):
            return "process" if "processes" in sandbox.run("pwd").stdout else "fake"

        @pytest.fixture(scope="module")
        def wide():
            return engine_of(Sandbox.create())

        @pytest.fixture(scope="module")
        def late():
            return engine_of(Sandbox.create())

        @pytest.fixture
        def own():
            return Sandbox.create()

        @pytest.mark.parametrize("number", [1])
        @pytest.mark.parametrize_engines("process", "fake")
        def test_it(
            request, wide, own, sandbox, sandbox_factory, sandbox_rpcs, fake_sandboxes, number
        ):
            engine = request.node.callspec.id.removeprefix("1-")
            made = [own, sandbox, sandbox_factory(), Sandbox.create()]
            assert {engine_of(each) for each in made} == {engine}
            assert sandbox_rpcs.of("SandboxCreate").count == 4
            assert wide == request.getfixturevalue("late") == "fake"
            assert (fake_sandboxes is not None) == (engine == "fake")
            if engine == "process":
                command = [sys.executable, "-c", PROGRAM]
                out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                assert out.strip() in [each.object_id for each in Sandbox.list()]

        def test_afterwards(sandbox):
            assert engine_of(sandbox) == engine_of(Sandbox.create()) == "fake"
        """
    )

    result = pytester.runpytest(FAKE, "-v")

    result.assert_outcomes(passed=3)
    names = ("process", "fake")
    result.stdout.fnmatch_lines([f"*::test_it?1-{name}? PASSED*" for name in names])


def test_the_engine_of_the_run_is_used_where_it_is_named(
    pytester: pytest.Pytester, shared_engine: None
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import Client, Sandbox

        @pytest.fixture(scope="module")
        def of_the_run():
            return Client.default()

        @pytest.mark.parametrize_engines("auto", "fake")
        def test_it(of_the_run, sandbox, parity):
            assert (parity.engine == "local") == (Client.default() is of_the_run)
            parity.match("out", sandbox.run("sh", "-c", "echo $((6 * 7)); exit 3").stdout)
            parity.match("made", Sandbox.create().run("cat", "/no/file").stderr)
        """
    )

    result = pytester.runpytest("-v")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::test_it?local? PASSED*", "*::test_it?fake? PASSED*"])


def test_equal_values_match(pytester: pytest.Pytester, processes: None) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("fake", "process")
        def test_it(sandbox, parity):
            ended = sandbox.run("sh", "-c", "echo out; exit 3")
            parity.match("out", (ended.stdout, ended.returncode))
            parity.match("bytes", {"a": [b"x", None, True]})
            parity.match("seconds", 1.0 if parity.engine == "fake" else 1.4, tolerance=0.5)
            parity.match("id", sandbox.object_id, normalize=len)
        """
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line(HEADING)


@pytest.mark.parametrize("order", ["'fake', 'process'", "'process', 'fake'"])
def test_the_second_engine_fails_where_they_differ(
    pytester: pytest.Pytester, processes: None, order: str
) -> None:
    first, second = order.replace("'", "").split(", ")
    pytester.makepyfile(
        **{
            f"test_{first}_first": f"""
            import pytest

            @pytest.mark.parametrize_engines({order})
            def test_it(sandbox, parity):
                parity.match("where", {{"folder": sandbox.run("pwd").stdout[:4]}})
            """
        }
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            f"*_ test_it?{second}? _*",
            '>*parity.match("where", {"folder": sandbox.run("pwd").stdout?:4?})',
            f"E *parity.match('where'): {first} and {second} differ",
            "E *at ?'folder'?:",
            f"E * {first}: *'*",
            f"E * {second}: *'*",
        ]
    )
    result.stdout.no_fnmatch_line(HEADING)


def test_engines_are_compared_across_workers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("process", "fake")
        def test_it(parity, worker_id):
            parity.match("worker", worker_id)

        @pytest.mark.parametrize_engines("process", "fake")
        def test_alone(parity):
            assert parity.engine == "fake"
            parity.match("x", 1)
        """
    )

    # Three tests: the first and the second are on different workers.
    result = pytester.runpytest_inprocess(FAKE, "-n2", "-k", "not (alone and process)")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*parity.match('worker'): * differ",
            HEADING,
            "*::test_alone: 'x' on fake: process did not run: *",
        ]
    )


def test_misuse_of_match_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("fake")
        def test_twice(parity):
            parity.match("x", 1)
            parity.match("x", 1)

        @pytest.mark.parametrize_engines("fake")
        def test_object(parity):
            parity.match("x", {"a": [object()]})

        def test_unmarked(parity): ...
        """
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "parity compares engines: mark the test with @pytest.mark.parametrize_engines*",
            "E *parity.match('x'): the test has used this name before",
            "E *parity.match('x'): the value at ?'a'??0? is of type object; *",
        ]
    )


def test_values_that_only_one_of_two_passed_tests_records_are_an_error(
    pytester: pytest.Pytester, processes: None
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("fake", "process")
        def test_it(parity):
            parity.match(f"of {parity.engine}", 1)
        """
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["parity: the test passed on fake and process, but recorded only 'of process' on *"]
    )


def test_an_engine_that_is_not_available_skips_and_the_end_of_the_run_says_so(
    pytester: pytest.Pytester, nowhere: None
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("local", "fake", "modal")
        def test_it(sandbox, parity):
            parity.match("x", sandbox.run("true").returncode)

        @pytest.mark.parametrize_engines("fake", "local")
        def test_of_few(parity):
            parity.match("y", 1)
        """
    )

    result = pytester.runpytest(FAKE, "-rs", "-k", "not (few and local)")

    result.assert_outcomes(passed=2, skipped=2, deselected=1)
    result.stdout.fnmatch_lines(
        [
            HEADING,
            "*::test_it: 'x' on fake: local was skipped: *: no room; modal was skipped: *money*",
            "*::test_of_few: 'y' on fake: local did not run: it was not selected",
            "SKIPPED *: the engine 'local' is not available here: no room",
        ]
    )


def test_settings_that_an_engine_cannot_have_skip_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("process")
        def test_it(sandbox): ...
        """
    )

    result = pytester.runpytest(FAKE, "--sandbox-network=open", "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *the engine 'process' is not available here: *'open'*"])


@pytest.mark.parametrize(
    ("engines", "problem"),
    [
        ("'locla'", "the engine 'locla' does not exist; did you mean 'local'?"),
        ("", "name the engines, such as 'local' and 'fake'"),
        ("'fake', 'local', 'auto'", "local is named twice"),
        ("3", "3 is not the name of an engine"),
        ("engine='fake'", "it takes names of engines only, not engine"),
        ("'grpc+tls://host'", "*host*"),
    ],
)
def test_an_invalid_marker_is_an_error_of_the_collection(
    pytester: pytest.Pytester, engines: str, problem: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize_engines({engines})
        def test_it(): ...
        """
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.parametrize_engines(*): {problem}"])


def test_what_cannot_be_on_each_engine_is_an_error_of_the_collection(
    pytester: pytest.Pytester,
) -> None:
    unit = """
        import unittest

        import pytest

        @pytest.mark.parametrize_engines("process", "fake")
        class TestUnit(unittest.TestCase):
            def test_it(self): ...
        """
    pytester.makepyfile(
        test_unit=unit,
        test_others="""
        import pytest
        from pytest_sandbox.plugin import sandbox_template

        pytestmark = pytest.mark.parametrize_engines("process", "fake")

        @sandbox_template
        def prepared(sandbox): ...

        def test_template(prepared): ...

        def test_engine(sandbox_engine): ...

        @pytest.mark.sandbox(isolation="full")
        def test_isolated(sandbox): ...
        """,
    )

    result = pytester.runpytest(FAKE)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*::TestUnit::test_it: *methods of unittest.TestCase are not",
            "*::test_template?process?: *the template 'prepared' is made on the engine of the run*",
            "*::test_engine?fake?: *the fixture sandbox_engine is the engine of the run*",
            "*::test_isolated?process?: *the engine 'process' does not isolate: *",
        ]
    )
    result.stdout.no_fnmatch_line("*::test_isolated?fake?: *")


def test_plain_values() -> None:
    class Text(str):
        pass

    assert plain((1, [Text("a")], {"b": (2.5, b"c")})) == [1, ["a"], {"b": [2.5, b"c"]}]
    assert type(plain(Text("a"))) is str
    with pytest.raises(NotPlain, match=r"the value is of type set; .*: give sorted\(...\)"):
        plain({1})


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "lines"),
    [
        (1, 1.0, 0, []),
        (float("nan"), float("nan"), 0, []),
        (1, 3, 2, []),
        (1, 4, 2, ["  a:   1", "  bcd: 4"]),
        (1, True, 5, ["  a:   1", "  bcd: True"]),
        ("1", b"1", 0, ["  a:   '1'", "  bcd: b'1'"]),
        ([1], [1, 2], 0, ["at [1]:", "  a:   (missing)", "  bcd: 2"]),
        ({"k": {"l": 1}}, {"k": {}}, 0, ["at ['k']['l']:", "  a:   1", "  bcd: (missing)"]),
        ("x\ny\n", "x\nz", 0, ["--- a", "+++ bcd", "@@ -1,2 +1,2 @@", " 'x\\n'"]),
        ("q" * 400, "", 0, [f"  a:   '{'q' * 299}... and 102 more characters"]),
        ([1] * 7, [2] * 7, 0, ["at [0]:"]),
    ],
)
def test_differences(one: object, other: object, tolerance: float, lines: list[str]) -> None:
    found = described(("a", one), ("bcd", other), tolerance).splitlines()

    assert found[: len(lines)] == lines
    assert bool(found) == bool(lines)
    if len(found) > 10:
        assert found[-1] == "and 2 more"
