"""Scripts for some sandboxes only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.client import Sandbox
    from pytest_sandbox.fakes import HostScript, KernelInterface, PortScript, Script
    from pytest_sandbox.server import SandboxRegistry, ServedSandbox


def restrict(
    script: Script | PortScript | HostScript,
    boxes: SandboxRegistry,
    sandbox: Sandbox | str | None,
    tags: Mapping[str, str] | None,
) -> None:
    """Let a script count only in a sandbox, given as such or by its id or name, or with tags."""
    if sandbox is None and not tags:
        return
    wanted = None if sandbox is None else str(getattr(sandbox, "object_id", sandbox))

    def fits(kernel: KernelInterface) -> bool:
        box = next((each for each in boxes.running() if _is_in(kernel, each)), None)
        labels = kernel.spec.tags if box is None else box.tags
        if not (tags or {}).items() <= labels.items():
            return False
        if wanted is None or box is not None:
            return wanted in (None, box and box.id, box and box.name)
        # A main process, which starts before there is a sandbox around it, or a new one.
        name = next((each.name for each in boxes.running() if each.id == wanted), wanted)
        return bool(name) and name == kernel.spec.name

    script.restrict(fits)


def _is_in(kernel: KernelInterface, box: ServedSandbox) -> bool:
    return box.task.kernel is kernel  # type: ignore[attr-defined]  # a MemoryTask
