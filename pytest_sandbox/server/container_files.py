"""Files through the control plane: Modal's `sandbox.open`, `ls`, `mkdir`, `rm`, `watch`."""

from ._state import State


class ContainerFiles:
    """The ContainerFilesystemExec RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state
