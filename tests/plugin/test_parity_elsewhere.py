"""One test on several engines: of other machines, engines that die, and tests that are repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.far_machine import far_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._shared.network.engine_address import RemoteAddress

FAKE = "--sandbox-engine=fake"
HEADING = "*= values that were recorded on one engine only =*"


@pytest.fixture
def far() -> Iterator[tuple[RemoteAddress, int]]:
    """Another machine, with the engine of processes: its address, and its process."""
    with far_machine("--engine", "process") as machine:
        yield machine


def test_an_address_is_an_engine_by_its_place(
    pytester: pytest.Pytester, far: tuple[RemoteAddress, int]
) -> None:
    address, _ = far
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize_engines("fake", {address.whole!r})
        def test_it(sandbox, parity):
            parity.match("code", sandbox.run("sh", "-c", "exit 3").returncode)
            parity.match("where", parity.engine)

        @pytest.mark.parametrize_engines({address.whole!r})
        def test_alone(sandbox):
            pass
        """
    )

    result = pytester.runpytest(FAKE, "-v", "--tb=short")

    result.assert_outcomes(passed=2, failed=1)
    place = address.place
    result.stdout.fnmatch_lines(
        [
            "*::test_it?fake? PASSED*",
            f"*::test_it?{place}? FAILED*",
            f"*::test_alone?{place}? PASSED*",
            f"E *parity.match('where'): fake and {place} differ",
            "E * fake:  *'fake'",
            f"E * {place}: '{place}'",
        ]
    )
    assert address.token not in result.stdout.str()


def test_an_address_where_nothing_listens_skips(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize_engines("fake", "grpc://s3cret@127.0.0.1:1")
        def test_it(sandbox, parity):
            parity.match("x", 1)
        """
    )

    result = pytester.runpytest(FAKE, "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    why = "*'grpc://127.0.0.1:1' is not available here: *cannot be reached: Connection refused*"
    result.stdout.fnmatch_lines([HEADING, "*'x' on fake: grpc://127.0.0.1:1 was skipped*", why])
    assert "s3cret" not in result.stdout.str()


@pytest.mark.parametrize("dies", ["the engine process", "the other machine"])
def test_an_engine_that_dies_in_the_middle_fails_its_tests_and_no_others(
    pytester: pytest.Pytester, far: tuple[RemoteAddress, int], dies: str
) -> None:
    address, pid = far
    engine = address.whole if dies == "the other machine" else "process"
    pytester.makepyfile(
        f"""
        import os
        import signal

        import pytest
        from pytest_sandbox._run.start_lock import read_record
        from pytest_sandbox.plugin.engine import session_of

        def engine_process(item):
            return read_record(session_of(item).run().directory).ready["pid"]

        @pytest.mark.parametrize_engines({engine!r}, "fake")
        def test_first(sandbox, parity, request):
            parity.match("before", 1)
            if parity.engine != "fake":
                pid = {pid} if "://" in parity.engine else engine_process(request.node)
                os.kill(pid, signal.SIGKILL)
                sandbox.run("true")
            parity.match("after", 2)

        @pytest.mark.parametrize_engines("fake", {engine!r})
        def test_second(sandbox, parity):
            parity.match("x", 1)
        """
    )

    result = pytester.runpytest(FAKE, "-v", "--tb=line")

    # Of an engine process that is gone, the sandbox of the test cannot be ended either.
    result.assert_outcomes(passed=2, failed=1, errors=1 if "://" in engine else 2)
    name = address.place if dies == "the other machine" else "process"
    result.stdout.fnmatch_lines(
        [
            f"*::test_first?{name}? FAILED*",
            "*::test_first?fake? PASSED*",
            "*::test_second?fake? PASSED*",
            f"*::test_second?{name}? ERROR*",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            HEADING,
            f"*::test_first: 'after' on fake: {name} failed",
            f"*::test_second: 'x' on fake: {name} failed",
        ]
    )


def test_a_test_that_is_repeated_compares_what_it_found_last(
    pytester: pytest.Pytester, all_plugins: None
) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="needs the package pytest-rerunfailures")
    pytester.makepyfile(
        """
        import pytest

        runs = []

        @pytest.mark.flaky(reruns=2)
        @pytest.mark.parametrize_engines("process", "fake")
        def test_it(sandbox, parity):
            runs.append(parity.engine)
            first = runs.count(parity.engine) == 1
            parity.match("value", 7 if first else 1)
            if parity.engine == "process":
                assert not first  # so that its 7 is forgotten

        @pytest.mark.flaky(reruns=1)
        @pytest.mark.parametrize_engines("process", "fake")
        def test_that_differs(parity):
            parity.match("value", parity.engine)
        """
    )

    result = pytester.runpytest(FAKE, "-rR")

    outcomes = result.parseoutcomes()
    assert outcomes == {"passed": 3, "failed": 1, "rerun": 3}
    result.stdout.fnmatch_lines(["E *parity.match('value'): process and fake differ"])
    result.stdout.no_fnmatch_line(HEADING)


def test_ray_is_an_engine_like_others(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="needs the package ray")
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.parametrize_engines("ray", "fake")
            def test_it(sandbox, parity):
                ended = sandbox.run("sh", "-c", "echo out; exit 3")
                parity.match("ended", (ended.stdout, ended.returncode))
            """
        )

        result = pytester.runpytest_subprocess(FAKE, "-v")

        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["*::test_it?ray? PASSED*", "*::test_it?fake? PASSED*"])
    finally:
        cluster.shutdown()
