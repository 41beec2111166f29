"""What the engine is told ahead of the next test, and that nothing of it shows."""

import json
import textwrap

import pytest

#: Writes down what is told, and what comes of it is up to `OUTCOME`.
SPY = """
import json
import pathlib
from pytest_sandbox.client import extensions
from pytest_sandbox.client.transport.dual import dual

HINTS = pathlib.Path(__file__).with_name("hints")
KEYS = ("env", "image", "workdir", "name")

async def prepare(self, /, *args, **spec):
    told = {key: str(spec[key]) for key in KEYS if key in spec}
    with HINTS.open("a") as file:
        print(json.dumps(told), file=file)
    OUTCOME

extensions.Extensions.prepare = dual(prepare)
"""


def run(pytester: pytest.Pytester, code: str, *options: str, outcome: str = "") -> pytest.RunResult:
    pytester.makeconftest(SPY.replace("OUTCOME", outcome))
    pytester.makepyfile(
        "import pytest\nfrom pytest_sandbox import sandbox_template\n" + textwrap.dedent(code)
    )
    return pytester.runpytest_subprocess(*options)


def hints(pytester: pytest.Pytester) -> list[dict[str, str]]:
    path = pytester.path / "hints"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_sandbox_of_the_next_test_is_told_with_its_marker(pytester: pytest.Pytester) -> None:
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

    assert hints(pytester) == [{"workdir": "/srv", "image": "Image.host()"}]


def test_before_an_engine_is_needed_nothing_is_told(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        def test_one(sandbox_engine): ...
        def test_two(sandbox):
            sandbox.run("true")
        """,
    ).assert_outcomes(passed=2)

    assert hints(pytester) == []


def test_a_copy_of_a_template_is_told_once_its_image_is_known(pytester: pytest.Pytester) -> None:
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

    told = hints(pytester)
    assert [hint["env"] for hint in told] == ["{'A': '1'}"] * 2
    assert len({hint["image"] for hint in told}) == 2
    assert all(hint["image"].startswith("Image.from_id('im-") for hint in told)


def test_what_would_show_is_not_told(pytester: pytest.Pytester) -> None:
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

    assert hints(pytester) == []


def test_it_can_be_turned_off(pytester: pytest.Pytester) -> None:
    code = """
        def test_one(sandbox):
            sandbox.run("true")
        def test_two(sandbox):
            sandbox.run("true")
        """
    run(pytester, code, "--sandbox-pool=off").assert_outcomes(passed=2)
    assert hints(pytester) == []

    pytester.makeini("[pytest]\nsandbox_pool = off")
    run(pytester, code).assert_outcomes(passed=2)
    assert hints(pytester) == []

    run(pytester, code, "--sandbox-pool=auto").assert_outcomes(passed=2)
    assert len(hints(pytester)) == 1


def test_sandboxes_in_memory_are_not_told(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        def test_one(sandbox): ...
        def test_two(sandbox): ...
        """,
        "--sandbox-engine=fake",
    ).assert_outcomes(passed=2)

    assert hints(pytester) == []


@pytest.mark.parametrize(
    "outcome", ["raise RuntimeError", "import asyncio; await asyncio.sleep(3600)"]
)
def test_what_comes_of_it_is_no_matter(pytester: pytest.Pytester, outcome: str) -> None:
    run(
        pytester,
        """
        def test_one(sandbox):
            sandbox.run("true")
        def test_two(sandbox): ...
        """,
        "-Werror",
        outcome=outcome,
    ).assert_outcomes(passed=2)

    assert len(hints(pytester)) == 1


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

    pytester.runpytest_subprocess().assert_outcomes(passed=6)
