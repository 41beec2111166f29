"""The sandboxes of a test: what the fixtures `sandbox` and `sandbox_factory` give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .create import creation, with_defaults
from .engine import session_of
from .fakes import NAME, is_faked
from .gpu.held import gpu_keywords
from .isolation import check_isolation
from .marker import merged_spec, needs_isolation, problem_with
from .networks import placed
from .ownership import OWNED
from .pool import tells_of_next

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from pytest_sandbox.client import Client, Sandbox

    from .create import Creation

__tracebackhide__ = True  # a failing test shows its own lines, not these


class SandboxFactory:
    """Creates sandboxes that end with the test.

    `factory(*args, **spec)` takes the arguments of `Sandbox.create`. Those that are not given
    come from the `sandbox` marker of the test, except `name` and `alias`, which only one sandbox
    can have.
    """

    def __init__(
        self, client: Callable[[], Client], item: pytest.Item, defaults: dict[str, Any]
    ) -> None:
        self._client = client
        self._item = item
        self._defaults = defaults

    def __call__(self, *args: str, **spec: Any) -> Sandbox:
        """Create a sandbox.

        Raises:
            EngineStartError: the engine cannot be started.
            Error: what `Sandbox.create` raises.
        """
        return self._given(self._creation(args, spec).create())

    async def aio(self, *args: str, **spec: Any) -> Sandbox:
        """The same, awaited."""
        return self._given(await self._creation(args, spec).create_aio())

    def _creation(self, args: tuple[str, ...], spec: dict[str, Any]) -> Creation:
        complete = {**self._defaults, **spec}
        if "image" in spec and "project" not in spec:
            complete.pop("project", None)
        if problem := problem_with("network", complete.get("network")):
            from pytest_sandbox.client.exceptions import InvalidError

            raise InvalidError(problem)
        client = complete.pop("client", None) or self._client()
        complete = placed(complete, self._item)
        another = not args and tells_of_next(self._item, client, complete)
        return creation(client, args, complete, another=another)

    def _given(self, sandbox: Sandbox) -> Sandbox:
        self._item.stash[OWNED].given.add(sandbox.object_id)
        return sandbox


def _defaults(item: pytest.Item) -> dict[str, Any]:
    spec = {**gpu_keywords(item), **merged_spec(item)}
    return with_defaults(session_of(item).asked, spec, faked=is_faked(item))


def new_factory(request: pytest.FixtureRequest) -> SandboxFactory:
    """The factory of a test."""
    defaults = _defaults(request.node)
    for key in ("name", "alias"):
        defaults.pop(key, None)
    return _factory(request, defaults)


def new_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox of a test, shaped by its marker."""
    return _factory(request, _defaults(request.node))()


def _factory(request: pytest.FixtureRequest, defaults: dict[str, Any]) -> SandboxFactory:
    session = session_of(request.node)
    if needs_isolation(request.node) and not is_faked(request.node):
        check_isolation(session.engine())
    fake = request.getfixturevalue(NAME) if is_faked(request.node) else None
    client = (lambda: fake.client) if fake is not None else session.client
    return SandboxFactory(client, request.node, defaults)
