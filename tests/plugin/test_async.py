"""The fixtures serve async tests."""

import pytest

pytestmark = pytest.mark.usefixtures("all_plugins", "shared_engine")

USES_IT = """
import pytest

async def uses_it(sandbox, sandbox_factory):
    first = await sandbox.exec.aio("echo", "one")
    assert await first.stdout.read.aio() == "one\\n"
    other = await sandbox_factory.aio("echo", "two")
    await other.wait.aio()
    assert await other.stdout.read.aio() == "two\\n"
    process = await sandbox.exec.aio("true")
    assert await process.wait.aio() == 0
"""


def test_under_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        USES_IT
        + """
@pytest.mark.asyncio
async def test_it(sandbox, sandbox_factory):
    await uses_it(sandbox, sandbox_factory)
"""
    )

    pytester.runpytest("-Werror").assert_outcomes(passed=1)


def test_under_anyio_on_asyncio_and_trio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        USES_IT
        + """
@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_it(sandbox, sandbox_factory):
    await uses_it(sandbox, sandbox_factory)
"""
    )

    pytester.runpytest("-Werror").assert_outcomes(passed=2)


def test_sandboxes_of_a_wider_async_fixture_live_as_long_as_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        import pytest_asyncio
        from pytest_sandbox import Sandbox

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def database():
            sandbox = await Sandbox.create.aio()
            yield sandbox
            assert await sandbox.poll.aio() is None

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("number", [1, 2])
        async def test_it(database, number):
            assert await database.poll.aio() is None
        """
    )

    pytester.runpytest().assert_outcomes(passed=2)
