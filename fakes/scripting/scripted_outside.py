"""What lies outside of sandboxes, as a test scripts it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from pytest_sandbox._shared.network.connection_log import Destination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox._shared.network.reach import Address

    from ..processes.ports import Acceptor
    from ..processes.process import KernelInterface
    from .host_script import HostScript
    from .rules import Rules


class ScriptedOutside:
    """The hosts that there are for one sandbox.

    Args:
        kernel: of the sandbox.
        scripts: all of the test.
    """

    def __init__(self, kernel: KernelInterface, scripts: Rules[HostScript]) -> None:
        self._of = weakref.ref(kernel)  # which has this
        self._scripts = scripts

    @property
    def _kernel(self) -> KernelInterface:
        kernel = self._of()
        assert kernel is not None, "a program of the sandbox asks, which has it"
        return kernel

    def addresses(self, name: str) -> Sequence[Address]:
        """That of the last script for a name, used up or not; none if there is no such name."""
        found = (script.address_of(self._kernel, name) for script in self._scripts)
        address = next((one for one in found if one is not None), None)
        if address is None:
            self.unknown(Destination("", 0, name))
            return ()
        return (address,)

    def accept(self, target: Destination) -> Acceptor | None:
        """What serves a connection; `None` if nothing listens there.

        Raises:
            ConnectionRefusedError: a script says so.
        """
        script = self._scripts.find(lambda each: each.matches(self._kernel, target))
        return None if script is None else script.accept(self._kernel, target)

    def unknown(self, target: Destination) -> str:
        """Report that nothing is known of a host; returns a sentence to add to the error."""
        return self._kernel.hooks.problems.nowhere(target)
