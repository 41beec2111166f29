"""What the engine is told ahead of the next test, and that nothing of it shows."""

import asyncio
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sandbox import Sandbox
from pytest_sandbox._run import Run
from pytest_sandbox.client.extensions import Extensions
from pytest_sandbox.client.transport import dual, portal
from pytest_sandbox.client.transport.calls import Calls

pytestmark = pytest.mark.usefixtures("shared_engine")

CREATE = Run.create
KEYS = ("env", "image", "workdir", "name")


class Spy:
    """Stands in for `Extensions.prepare`, and notes the hints.

    Attributes:
        hints: the keywords of each, as text.
        alone: of those that are calls of their own.
        error: what such a call raises; without one it never ends.
    """

    def __init__(self) -> None:
        self.hints: list[dict[str, str]] = []
        self.alone: list[dict[str, str]] = []
        self.error: Exception | None = None
        self._waiting: list[asyncio.Event] = []

    async def prepare(self, _: Extensions, /, *args: str, **spec: Any) -> None:
        self.note(spec)
        self.alone.append(self.hints[-1])
        if self.error is not None:
            raise self.error
        self._waiting.append(asyncio.Event())
        await self._waiting[-1].wait()

    def note(self, spec: dict[str, Any]) -> None:
        self.hints.append({key: str(spec[key]) for key in KEYS if key in spec})

    def end(self) -> None:
        for event in self._waiting:
            portal().call_soon(event.set)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    spy = Spy()

    async def prepare(extensions: Extensions, /, *args: str, **spec: Any) -> None:
        await spy.prepare(extensions, *args, **spec)

    real = Extensions.create.core

    async def create(extensions: Extensions, /, **spec: Any) -> Sandbox:
        spy.note(spec)
        return await real(extensions, **spec)

    monkeypatch.setattr(Extensions, "prepare", dual(prepare))
    monkeypatch.setattr(Extensions, "create", dual(create))
    yield spy
    spy.end()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The calls that the client makes once: their names, and whether they have a hint."""
    made = []
    real = Calls.control_with_metadata

    async def call(calls: Calls, method: Any, request: Any, **options: Any) -> Any:
        rpc = type(request).__name__.removesuffix("Request")
        made.append((rpc, "x-sandbox-another" in (options.get("more") or {})))
        return await real(calls, method, request, **options)

    monkeypatch.setattr(Calls, "control_with_metadata", call)
    return made


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

    assert spy.hints == spy.alone == [{"workdir": "/srv", "image": "Image.host()"}]


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
    assert spy.alone == []


def test_tests_that_are_alike_need_no_call_for_hints(
    pytester: pytest.Pytester, wire: list[tuple[str, bool]]
) -> None:
    run(
        pytester,
        """
        @sandbox_template()
        def prepared(sandbox): ...

        @pytest.mark.parametrize("number", range(4))
        def test_empty(sandbox, number):
            sandbox.run("true")

        @pytest.mark.parametrize("number", range(4))
        def test_copy(prepared, number):
            prepared.run("true")
        """,
    ).assert_outcomes(passed=8)

    told = [True, True, True, False]  # that of the template is not one for a test
    assert [tells for rpc, tells in wire if rpc == "SandboxCreate"] == [*told, False, *told]
    assert "SandboxPrepare" not in [rpc for rpc, _ in wire]


def test_all_sandboxes_of_a_test_are_told_each_once(pytester: pytest.Pytester, spy: Spy) -> None:
    run(
        pytester,
        """
        @sandbox_template()
        def prepared(sandbox): ...

        @pytest.fixture
        def other(sandbox_factory):
            return [sandbox_factory(), sandbox_factory(), sandbox_factory("cat")]

        @pytest.mark.parametrize("number", range(2))
        def test_all(sandbox, prepared, other, number): ...
        """,
    ).assert_outcomes(passed=2)

    first, second = spy.hints
    assert first == {"image": "Image.host()"}
    assert second["image"].startswith("Image.from_id('im-")
    assert spy.alone == []


def test_hints_drive_out_nothing_that_this_test_still_takes(
    pytester: pytest.Pytester, wire: list[tuple[str, bool]]
) -> None:
    run(
        pytester,
        """
        @sandbox_template()
        def first(sandbox): ...

        @sandbox_template()
        def second(sandbox): ...

        @pytest.mark.parametrize("number", range(3))
        def test_all(sandbox, first, second, number): ...
        """,
    ).assert_outcomes(passed=3)

    # Nothing was made ahead for the first test. For the second one three were, which is more than
    # each machine has room for.
    templates, others = [False] * 2, [False] * 6
    told = [tells for rpc, tells in wire if rpc == "SandboxCreate"]
    assert sorted(told[:5]) == [*templates, True, True, True]
    assert told[5:] == others
    assert [rpc for rpc, _ in wire].count("SandboxPrepare") == 3


def test_tests_that_are_not_alike_have_hints_of_their_own(
    pytester: pytest.Pytester, wire: list[tuple[str, bool]]
) -> None:
    run(
        pytester,
        """
        @pytest.mark.sandbox(network="test")
        def test_in_a_network(sandbox): ...

        @pytest.mark.sandbox(network="test")
        def test_in_another(sandbox): ...

        @pytest.mark.sandbox(workdir="/srv")
        def test_elsewhere(sandbox): ...

        @pytest.mark.sandbox(workdir="/srv", name="unique")
        def test_likewise(sandbox): ...

        def test_asks_late(request):
            request.getfixturevalue("sandbox")

        def test_last(sandbox): ...
        """,
    ).assert_outcomes(passed=6)

    told = [(rpc, tells) for rpc, tells in wire if tells or rpc == "SandboxPrepare"]
    network, elsewhere, likewise, last = told
    assert network == elsewhere == last == ("SandboxPrepare", False)
    assert likewise == ("SandboxCreate", True)


def test_a_test_on_another_engine_tells_nothing_to_it(
    pytester: pytest.Pytester, wire: list[tuple[str, bool]]
) -> None:
    run(
        pytester,
        """
        def test_first(sandbox): ...
        def test_faked(sandbox, fake_sandboxes): ...
        def test_real(sandbox): ...
        """,
    ).assert_outcomes(passed=3)

    told = [(rpc, tells) for rpc, tells in wire if rpc in ("SandboxCreate", "SandboxPrepare")]
    create, hint = ("SandboxCreate", False), ("SandboxPrepare", False)
    assert told == [create, create, hint, create]


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
        @pytest.mark.sandbox(workdir="/srv")
        def test_two(sandbox): ...
        """,
        "-Werror",
    ).assert_outcomes(passed=2)

    assert len(spy.alone) == 1


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

        sent = []  # with the first creation of each test; only the last one has no hint

        @pytest.fixture
        def faulty(sandbox_faults):
            sandbox_faults.on("SandboxCreate").status("UNAVAILABLE")
            sandbox_faults.on("SandboxCreate", nth=2).drop_response()

        @pytest.mark.parametrize("number", range(6))
        def test_it(sandbox, sandbox_rpcs, number):
            sandbox.run("true")
            seen = {each.rpc for each in sandbox_rpcs}
            assert "TaskExecStart" in seen and "SandboxPrepare" not in seen
            sent.append(sandbox_rpcs.of("SandboxCreate").one().metadata.keys())
            assert sent[0] == sent[-1] and "x-idempotency-key" in sent[0]

        @pytest.mark.parametrize("number", range(3))
        def test_faults(faulty, sandbox, sandbox_rpcs, number):
            sandbox.run("true")
            made = list(sandbox_rpcs.of("SandboxCreate"))
            assert [each.faults for each in made] == [
                ("status UNAVAILABLE",), ("drop response",), ()
            ]
            assert made[0].request == made[2].request
            sent.append(made[2].metadata.keys())
            assert sent[0] == sent[-1]
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=9)
