"""What the tests of the plugin share."""

import pytest

#: For the runs inside the tests, set after `pytester` cleared the variable: without the plugin of
#: Hypothesis, which imports all of it to write its summary, and with the choice that
#: pytest-asyncio asks for.
ADDOPTS = "-p no:hypothesispytest -o asyncio_default_fixture_loop_scope=function"


@pytest.fixture(autouse=True)
def own_settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of the person who runs these tests away from the runs inside them."""
    for name in ("PYTEST_SANDBOX_ENGINE", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)
