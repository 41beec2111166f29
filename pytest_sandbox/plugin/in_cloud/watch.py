"""Watches which tests reach Modal's cloud, and keeps those from it that must not."""

from __future__ import annotations

import pytest

from ..options import settings

__tracebackhide__ = True  # a failing test shows its own lines, not these

MARKER = "cloud"
_BLOCKED = """\
this test would reach Modal's cloud, which {why}
What to do:
- if it is meant to, mark it: @pytest.mark.cloud
- if not, run it elsewhere: --sandbox-engine=local, or the fixture fake_sandboxes
- to let every test reach the cloud: --sandbox-block-cloud=off"""
_WATCH = pytest.StashKey["CloudWatch"]()


class CloudWatch:
    """Watches the calls of the test that runs.

    Args:
        config: pytest's.

    Attributes:
        item: the test that runs; `None` between tests.
        refused: what the test was told when it was refused; empty if it was not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._blocks = settings(config).blocks_cloud
        self.item: pytest.Item | None = None
        self._allowed = True
        self._reached = False
        self.refused = ""

    def begin(self, item: pytest.Item) -> None:
        """A test begins."""
        self.item = item
        self._allowed = not self._blocks or item.get_closest_marker(MARKER) is not None
        self._reached, self.refused = False, ""

    def call(self) -> None:
        """The cloud is about to be reached.

        Raises:
            PermissionDeniedError: the test must not.
        """
        self._reached = True
        if self._allowed:
            return
        self.refused = _BLOCKED.format(why=self._blocks)
        from pytest_sandbox.client.exceptions import PermissionDeniedError

        raise PermissionDeniedError(self.refused)

    def end(self) -> None:
        """The test is over: what it has left behind may be ended."""
        self.item, self._allowed = None, True

    @property
    def unused(self) -> bool:
        """Whether the test is marked, and did not reach the cloud."""
        item = self.item
        marked = item is not None and item.get_closest_marker(MARKER) is not None
        return marked and not self._reached


def watch_of(config: pytest.Config) -> CloudWatch:
    """What watches the calls of the tests of a run in the cloud."""
    if _WATCH not in config.stash:
        config.stash[_WATCH] = CloudWatch(config)
    return config.stash[_WATCH]
