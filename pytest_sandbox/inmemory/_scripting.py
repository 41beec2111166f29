"""Scripts for some sandboxes only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.client import Sandbox
    from pytest_sandbox.fakes import Call, Peer
    from pytest_sandbox.fakes._kernel import Kernel
    from pytest_sandbox.fakes._rules import Rule
    from pytest_sandbox.server._box import Box
    from pytest_sandbox.server._registries import BoxRegistry


def restrict(
    rule: Rule[Any, Any],
    boxes: BoxRegistry,
    sandbox: Sandbox | str | None,
    tags: Mapping[str, str] | None,
) -> None:
    """Let a script count only in a sandbox, given as such or by its id or name, or with tags."""
    wanted = None if sandbox is None else str(getattr(sandbox, "object_id", sandbox))
    if wanted is None and not tags:
        return

    def fits(given: Call | Peer) -> bool:
        kernel = given._kernel
        box = _box(boxes, kernel)
        # Its main process starts before there is a sandbox around it.
        names = {kernel.spec.name} if box is None else {box.id, box.name}
        labels = kernel.spec.tags if box is None else box.tags
        return (wanted is None or wanted in names) and (tags or {}).items() <= labels.items()

    rule.where(fits)


def _box(boxes: BoxRegistry, kernel: Kernel) -> Box | None:
    return next((box for box in boxes.running() if box.task.kernel is kernel), None)  # type: ignore[attr-defined]
