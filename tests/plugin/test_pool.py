"""What the engine is told ahead of the next test, and that nothing of it shows."""

import asyncio
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sandbox._run import Run
from pytest_sandbox.client.extensions import Extensions
from pytest_sandbox.client.transport import dual, portal

pytestmark = pytest.mark.usefixtures("shared_engine")

CREATE = Run.create
KEYS = ("env", "image", "workdir", "name")


class Spy:
    """Stands in for `Extensions.prepare`, and notes the hints.

    Attributes:
        hints: the keywords of each, as text.
        error: what the call raises; without one it never ends.
    """

    def __init__(self) -> None:
        self.hints: list[dict[str, str]] = []
        self.error: Exception | None = None
        self._waiting: list[asyncio.Event] = []

    async def prepare(self, _: Extensions, /, *args: str, **spec: Any) -> None:
        self.hints.append({key: str(spec[key]) for key in KEYS if key in spec})
        if self.error is not None:
            raise self.error
        self._waiting.append(asyncio.Event())
        await self._waiting[-1].wait()

    def end(self) -> None:
        for event in self._waiting:
            portal().call_soon(event.set)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    spy = Spy()

    async def prepare(extensions: Extensions, /, *args: str, **spec: Any) -> None:
        await spy.prepare(extensions, *args, **spec)

    monkeypatch.setattr(Extensions, "prepare", dual(prepare))
    yield spy
    spy.end()


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(
        "import pytest\nfrom pytest_sandbox import sandbox_template\n" + textwrap.dedent(code)
    )
    return pytester.runpytest_inprocess(*options)


def test_the_sandbox_of_the_next_test_is_told_with_its_marker(
    pytester: pytest.Pytester, spy: Spy
) -> None:
    run(
        pytester,
        """
        def test_one(sandbox):
            sandbox.run("true")

        @pytest.mark.sandbox(workdir="/srv", name="unique")
        def test_two(sandbox):
            sandbox.run("true")

        def test_three(sandbox_factory):
            sandbox_factory()
        """,
    ).assert_outcomes(passed=3)

    assert spy.hints == [{"workdir": "/srv", "image": "Image.host()"}]


def test_before_an_engine_is_needed_nothing_is_told(pytester: pytest.Pytester, spy: Spy) -> None:
    run(
        pytester,
        """
        def test_one(sandbox_engine): ...
        def test_two(sandbox):
            sandbox.run("true")
        """,
    ).assert_outcomes(passed=2)

    assert spy.hints == []


def test_a_copy_of_a_template_is_told_once_its_image_is_known(
    pytester: pytest.Pytester, spy: Spy
) -> None:
    run(
        pytester,
        """
        @sandbox_template(env={"A": "1"}, params=["x", "y"])
        def prepared(sandbox, request): ...

        @sandbox_template(scope="module")
        def shared(sandbox): ...

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(prepared, number, shared):
            prepared.run("true")
        """,
    ).assert_outcomes(passed=4)

    told = spy.hints
    assert [hint["env"] for hint in told] == ["{'A': '1'}"] * 2
    assert len({hint["image"] for hint in told}) == 2
    assert all(hint["image"].startswith("Image.from_id('im-") for hint in told)


def test_what_would_show_is_not_told(pytester: pytest.Pytester, spy: Spy) -> None:
    run(
        pytester,
        """
        from pytest_sandbox import Secret

        def test_one(sandbox):
            sandbox.run("true")

        @pytest.mark.sandbox(secrets=[Secret.from_dict({"A": "1"})])
        def test_two(sandbox): ...
        """,
    ).assert_outcomes(passed=2)

    assert spy.hints == []


def test_it_can_be_turned_off(
    pytester: pytest.Pytester, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "create", CREATE)  # an engine of its own, which is told
    code = """
        def test_one(sandbox):
            sandbox.run("true")
        def test_two(sandbox):
            sandbox.run("true")
        """
    pytester.makeini("[pytest]\nsandbox_pool = off")
    run(pytester, code).assert_outcomes(passed=2)
    assert spy.hints == []

    run(pytester, code, "--sandbox-pool=auto").assert_outcomes(passed=2)
    assert len(spy.hints) == 1


def test_sandboxes_in_memory_are_not_told(pytester: pytest.Pytester, spy: Spy) -> None:
    run(
        pytester,
        """
        def test_one(sandbox): ...
        def test_two(sandbox): ...
        """,
        "--sandbox-engine=fake",
    ).assert_outcomes(passed=2)

    assert spy.hints == []


@pytest.mark.parametrize("error", [RuntimeError(), None])
def test_the_result_of_a_hint_does_not_matter(
    pytester: pytest.Pytester, spy: Spy, error: Exception | None
) -> None:
    spy.error = error
    run(
        pytester,
        """
        def test_one(sandbox):
            sandbox.run("true")
        def test_two(sandbox): ...
        """,
        "-Werror",
    ).assert_outcomes(passed=2)

    assert len(spy.hints) == 1


def test_a_marker_that_makes_no_sense_is_told_by_its_own_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_one(sandbox, request):
            after = request.session.items[1]
            after.add_marker(pytest.mark.sandbox(timout=1))

        @pytest.fixture
        def nothing(): ...

        def test_two(sandbox): ...
        """,
    )

    result.assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize(
    ("marker", "fixtures"),
    [
        ("modal_server(engine='nosuch')", "modal_server"),
        ("modal_server(engine='nosuch')", "sandbox, modal_server"),
        ("fake_sandboxes(cpus=1)", "fake_sandboxes"),
        ("fake_sandboxes(gpus=1)", "fake_sandboxes, gpu"),
        ("fake_sandboxes(gpus=[1])", "fake_sandboxes, gpu"),
    ],
)
def test_an_invalid_marker_of_the_next_test_is_told_by_that_test(
    pytester: pytest.Pytester, spy: Spy, marker: str, fixtures: str
) -> None:
    result = run(
        pytester,
        f"""
        def test_before(): ...

        @pytest.mark.{marker}
        def test_bad({fixtures}): ...

        def test_after(): ...
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    told = f"*mark.{marker.replace('[', '[[]')}: *"
    result.stdout.fnmatch_lines(["* ERROR at setup of test_bad *", told])


def test_calls_of_a_test_are_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(sandbox, sandbox_rpcs, number):
            sandbox.run("true")
            seen = {each.rpc for each in sandbox_rpcs}
            assert "TaskExecStart" in seen and "SandboxPrepare" not in seen
            assert sandbox_rpcs.of("SandboxCreate").count == 1
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=6)
