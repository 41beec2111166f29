"""Scripts for the commands of some sandboxes only."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import EllipsisType

    from pytest_sandbox.client import Sandbox
    from pytest_sandbox.fakes import Call, FakeEngine, Script
    from pytest_sandbox.fakes._matching import Matcher
    from pytest_sandbox.server._box import Box
    from pytest_sandbox.server._registries import BoxRegistry


def add_script(
    engine: FakeEngine,
    boxes: BoxRegistry,
    words: Sequence[Matcher | EllipsisType],
    sandbox: Sandbox | str | None,
    tags: Mapping[str, str] | None,
) -> Script:
    """A script that remembers which line of the test made it.

    Raises:
        TypeError, ValueError: it could never match.
    """
    script = engine._scripts.add(words, _place(2))
    wanted = None if sandbox is None else str(getattr(sandbox, "object_id", sandbox))
    if wanted is None and not tags:
        return script

    def fits(call: Call) -> bool:
        box = _box(boxes, call)
        if box is None:  # its main process, which starts before the sandbox has a name
            return False
        named = wanted is None or wanted in (box.id, box.name)
        return named and (tags or {}).items() <= box.tags.items()

    return script.where(fits)


def _box(boxes: BoxRegistry, call: Call) -> Box | None:
    kernel = call._proc.kernel
    return next((box for box in boxes.running() if box.task.kernel is kernel), None)  # type: ignore[attr-defined]


def _place(depth: int) -> str:
    frame = sys._getframe(depth + 1)
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
