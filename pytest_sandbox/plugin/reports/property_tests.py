"""What to use in place of the fixture of a sandbox directly in a test with hypothesis' `@given`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: Fixtures of one sandbox, or of one engine, for a test; templates give sandboxes too.
_FIXTURES = {"sandbox", "sandbox_factory", "fake_sandboxes", "sandbox_rpcs", "sandbox_faults"}
_HINT = """\
All examples would share what {fixture!r} gave to the test. Either give each a clean machine:

    def test_it(sandbox):
        clean = sandbox.snapshot_filesystem()

        @given(...)
        def check(...):
            sandbox.restore(clean)
            ...

        check()

or, if the examples do not disturb each other (say, in directories of their own), allow it with
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])."""


def hint(item: pytest.Item, error: BaseException | None) -> list[tuple[str, str]]:
    """A section for the report, if hypothesis refused a fixture of this package."""
    if type(error).__name__ != "FailedHealthCheck":
        return []
    found = re.search(r"function-scoped fixture '(\w+)'", str(error))
    if found is None or not _is_ours(item, found[1]):
        return []
    return [("sandboxes and @given", _HINT.format(fixture=found[1]))]


def _is_ours(item: pytest.Item, fixture: str) -> bool:
    given = getattr(item, "funcargs", {}).get(fixture)
    return fixture in _FIXTURES or type(given).__module__.startswith("pytest_sandbox.")
