"""The fixtures give sandboxes that end with their test."""

import pytest

pytestmark = pytest.mark.usefixtures("shared_engine")

#: Ids of sandboxes, in the order of their creation, for the tests that look at the earlier ones.
SEEN = """
import pytest
from pytest_sandbox import Client, Sandbox

SEEN = []

def running():
    return [Sandbox.from_id(each).poll() is None for each in SEEN]
"""


def test_a_sandbox_runs_commands(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            process = sandbox.exec("echo", "hello")
            assert process.stdout.read() == "hello\\n"
            assert process.wait() == 0
        """
    )

    pytester.runpytest("-Werror").assert_outcomes(passed=1)


def test_every_test_gets_a_sandbox_of_its_own_and_it_ends_with_the_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        SEEN
        + """
@pytest.mark.parametrize("number", range(3))
def test_it(sandbox, number):
    assert sandbox.object_id not in SEEN
    assert not any(running())
    SEEN.append(sandbox.object_id)
"""
    )

    pytester.runpytest().assert_outcomes(passed=3)


def test_the_marker_shapes_the_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.sandbox(env={"MODE": "test"}, image="host")

        @pytest.mark.sandbox(workdir="/srv/app", name="box")
        def test_it(sandbox):
            process = sandbox.exec("sh", "-c", "echo $MODE; pwd")
            assert process.stdout.read() == "test\\n/srv/app\\n"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_factory_gives_as_many_as_wanted_and_all_end_with_the_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        SEEN
        + """
def test_several(sandbox_factory):
    SEEN.extend(sandbox_factory().object_id for _ in range(3))
    assert running() == [True] * 3

def test_afterwards():
    assert running() == [False] * 3
"""
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_a_factory_takes_a_command_and_what_it_is_not_told_from_the_marker(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(name="only-one", env={"A": "marker"}, workdir="/srv")
        def test_it(sandbox_factory):
            one = sandbox_factory("sh", "-c", "echo $A; pwd")
            two = sandbox_factory("sh", "-c", "echo $A; pwd", env={"A": "call"})
            assert one.stdout.read() == "marker\\n/srv\\n"
            assert two.stdout.read() == "call\\n/srv\\n"
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_factory_refuses_an_image_or_a_network_that_there_is_not(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_sandbox import exceptions

        def test_it(sandbox_factory):
            with pytest.raises(exceptions.InvalidError, match="'a b' is not the name"):
                sandbox_factory(image="a b")
            with pytest.raises(exceptions.InvalidError, match="'open', 'test' or .* mean 'open'"):
                sandbox_factory(network="opne")
            assert sandbox_factory(image="host").poll() is None
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_threads_of_a_test_get_the_one_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import threading
        from pytest_sandbox import Sandbox

        def test_it(request):
            made = []
            work = lambda: made.append(Sandbox.create())
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert [each.poll() for each in made] == [None] * 4
            assert len({each._client for each in made}) == 1
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_sandbox_that_the_test_creates_itself_ends_with_the_test_too(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        SEEN
        + """
def test_creates():
    SEEN.append(Sandbox.create().object_id)
    assert running() == [True]

def test_afterwards():
    assert running() == [False]
"""
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_everything_uses_the_one_engine_of_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import Client, Sandbox

        def test_it(sandbox, sandbox_engine):
            assert Client.default() is sandbox_engine.client
            assert Sandbox.from_id(sandbox.object_id).poll() is None

        def test_again(sandbox_engine):
            assert Client.default() is sandbox_engine.client
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_a_sandbox_of_a_wider_fixture_lives_until_that_ends_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SEEN
        + """
@pytest.fixture(scope="module")
def database():
    sandbox = Sandbox.create()
    SEEN.append(sandbox.object_id)
    yield sandbox
    assert running() == [True]

class TestIt:
    @classmethod
    def setup_class(cls):
        cls.own = Sandbox.create()

    def test_one(self, database, sandbox):
        assert self.own.poll() is None

    def test_two(self, database):
        assert self.own.poll() is None
        assert running() == [True]
"""
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_the_engine_fixture_says_what_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        def test_it(sandbox_engine):
            assert sandbox_engine.name == "local"
            assert sandbox_engine.mode
            assert "pty" in sandbox_engine.capabilities
            assert os.path.basename(sandbox_engine.socket) == "socket"
            assert os.path.exists(sandbox_engine.socket)
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_class_of_unittest_can_use_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import unittest
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.mark.sandbox(env={"A": "b"})
        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def give(self, sandbox):
                self.sandbox = sandbox

            def setUp(self):
                self.other = Sandbox.create()

            def test_one(self):
                self.assertEqual(self.sandbox.exec("printenv", "A").stdout.read(), "b\\n")

            def test_two(self):
                self.assertIsNone(self.other.poll())
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_fixtures_that_use_the_sandbox_still_have_it_when_they_end(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def service(sandbox):
            yield sandbox
            assert sandbox.exec("true").wait() == 0

        def test_it(service): ...
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)


def test_a_repeated_test_starts_with_a_new_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                reports = runtestprotocol(item, nextitem=nextitem)
            return True
        """
    )
    pytester.makepyfile(
        """
        SEEN = []

        def test_it(sandbox):
            assert sandbox.object_id not in SEEN
            assert sandbox.exec("true").wait() == 0
            SEEN.append(sandbox.object_id)
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)


def test_last_failed_runs_only_what_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_good(sandbox): ...
        def test_bad(sandbox): assert sandbox.exec("false").wait() == 0
        """
    )

    pytester.runpytest().assert_outcomes(passed=1, failed=1)
    pytester.runpytest("--lf").assert_outcomes(failed=1)
