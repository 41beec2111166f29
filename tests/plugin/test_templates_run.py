"""Templates on a machine's own engine: shared by all workers of a run, and kept for later ones."""

import functools
from pathlib import Path

import pytest

from pytest_sandbox.plugin.templates.store import Outcome, locked_outcome

from . import templates
from .templates import HEAD, logged

WORKERS = (
    HEAD
    + """
import os
import time

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

def meet():
    '''Wait until both workers are here.'''
    (HERE / WORKER).touch()
    deadline = time.monotonic() + 60
    while not ((HERE / "gw0").exists() and (HERE / "gw1").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""
)
write = functools.partial(templates.write, head=WORKERS)


def test_workers_share_what_one_of_them_built(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        @sandbox_template
        def base(sandbox):
            log("base")
            write(sandbox, "base")

        @sandbox_template
        def layer(base):
            log("layer")
            write(base, read(base) + "+layer")

        @pytest.mark.parametrize("number", range(4))
        def test_it(base, layer, number):
            log(WORKER)
            assert (read(base), read(layer)) == ("base", "base+layer")
            write(base, "spoilt")
            meet()
        """,
    )

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(passed=4)
    assert sorted(set(logged(pytester))) == ["base", "gw0", "gw1", "layer"]
    assert [logged(pytester).count(name) for name in ("base", "layer")] == [1, 1]
    result.stdout.fnmatch_lines(
        [
            "base: built in * s by gw? - used 5 times, *",
            "layer: built in * s by gw? - used 4 times, *",
        ]
    )


def test_failures_are_told_to_all_workers(pytester: pytest.Pytester) -> None:
    """Of a template that raises, and of one that hangs, which is ended with its sandbox."""
    write(
        pytester,
        """
        @sandbox_template
        def refused(sandbox):
            log("refused")
            raise RuntimeError("no such release")

        @sandbox_template(timeout=1)
        def hanging(sandbox):
            log("hanging")
            sandbox.run("sleep", "1000")

        @pytest.fixture
        def both():
            meet()

        @pytest.mark.parametrize("number", range(4))
        def test_refused(both, refused, number): ...

        @pytest.mark.parametrize("number", range(4))
        def test_hanging(hanging, number): ...
        """,
    )

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(errors=8)
    assert sorted(logged(pytester)) == ["hanging", "refused"]
    assert str(result.stdout).count("RuntimeError: no such release") >= 4
    told = "the template 'refused' could not be built, by gw?, so all tests *"
    result.stdout.fnmatch_lines([told])
    assert str(result.stdout).count("reached its timeout=1;") >= 4


def test_when_its_builder_is_killed_another_worker_builds(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        @sandbox_template
        def prepared(sandbox):
            log(WORKER)
            if WORKER in ("gw0", "gw1") and not (HERE / "killed").exists():
                (HERE / "killed").touch()
                os._exit(1)
            write(sandbox, "whole")

        @pytest.fixture
        def both():
            if not (HERE / "killed").exists():
                meet()

        @pytest.mark.parametrize("number", range(2))
        def test_it(both, prepared, number):
            assert read(prepared) == "whole"
        """,
    )

    result = pytester.runpytest_subprocess("-n2")

    result.assert_outcomes(passed=1, failed=1)
    killed, builder = logged(pytester)
    assert killed != builder
    result.stdout.fnmatch_lines([f"prepared: built in * s by {builder} - used once, *"])


def test_an_interrupted_run_leaves_nothing(pytester: pytest.Pytester, temporary: Path) -> None:
    write(
        pytester,
        """
        @sandbox_template
        def prepared(sandbox):
            raise KeyboardInterrupt

        def test_it(prepared): ...
        """,
    )

    assert pytester.runpytest_subprocess().ret == pytest.ExitCode.INTERRUPTED
    assert list(temporary.glob("pytest-sandbox-*")) == []


def test_copies_survive_the_end_of_the_sandbox_that_was_prepared(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        prepared_in = []

        @sandbox_template
        def prepared(sandbox):
            sandbox.run("sh", "-c", "ln -s file /srv/link; echo it > /srv/file", check=True)
            prepared_in.append(sandbox)

        def test_it(prepared):
            assert prepared_in[0].poll() is not None
            assert prepared.run("cat", "/srv/link").stdout == "it\\n"
        """,
    )

    pytester.runpytest_subprocess("--sandbox-strict").assert_outcomes(passed=1)


class TestStore:
    """What workers tell each other."""

    def test_what_was_put_is_there_for_the_next(self, tmp_path: Path) -> None:
        outcome = Outcome("im-1", seconds=0.5, worker="gw0")
        with locked_outcome(tmp_path / "templates", "key", 1) as file:
            assert file.outcome is None
            file.put(outcome)

        with locked_outcome(tmp_path / "templates", "key", 1) as file:
            assert file.outcome == outcome
        with locked_outcome(tmp_path / "templates", "other", 1) as file:
            assert file.outcome is None

    def test_what_was_half_written_is_not_there(self, tmp_path: Path) -> None:
        with locked_outcome(tmp_path, "key", 1) as file:
            file.put(Outcome("im-1"))
        (tmp_path / "key").write_text((tmp_path / "key").read_text()[:10])

        with locked_outcome(tmp_path, "key", 1) as file:
            assert file.outcome is None
            file.put(Outcome("im-2"))
            assert file.outcome == Outcome("im-2")

    def test_a_shorter_outcome_replaces_a_longer_one(self, tmp_path: Path) -> None:
        with locked_outcome(tmp_path, "key", 1) as file:
            file.put(Outcome(error="long " * 100))
            file.put(Outcome("im-1"))

            assert file.outcome == Outcome("im-1")

    def test_waiting_for_another_worker_has_an_end(self, tmp_path: Path) -> None:
        with (
            locked_outcome(tmp_path, "key", 1),
            pytest.raises(TimeoutError, match="another worker has been building it for 0 s"),
            locked_outcome(tmp_path, "key", 0),
        ):
            pass


@pytest.mark.usefixtures("shared_engine")
def test_time_in_memory_does_not_skip_ahead_of_a_copy(pytester: pytest.Pytester) -> None:
    """Not while the copy is made, and not while a command of it runs or its output is read."""
    write(
        pytester,
        """
        @sandbox_template
        def real(sandbox):
            sandbox.run("sleep", "0.05")

        def test_it(fake_sandboxes, sandbox, real):
            real.run("sleep", "0.05")
            process = real.exec("sh", "-c", "echo a; sleep 0.05; echo b")
            assert list(process.stdout) == ["a\\n", "b\\n"]
            assert fake_sandboxes.clock.monotonic() == 0
            sandbox.run("sleep", "5")
            assert fake_sandboxes.clock.monotonic() == 5
        """,
    )
    for engine in ("auto", "fake"):
        pytester.runpytest(f"--sandbox-engine={engine}").assert_outcomes(passed=1)
