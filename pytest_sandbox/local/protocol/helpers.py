"""Between the zygote and what it forks.

A helper says one thing and ends: `HelperDone` or `Failed`. An agent is told by the byte `GO` that
its user ids are mapped, and gives `SandboxHandles`.
"""

from __future__ import annotations

from .common import Failed
from .message import Message
from .wire import family

#: The zygote to a new agent: continue. One that shall not continue sees the end of the stream.
GO = b"g"


class SandboxHandles(Message, descriptors=2):
    """The agent's only words to the zygote, soon after its birth.

    Beside it the tmpfs that the sandbox writes to, as a mount, and the sandbox's mount namespace.
    """


class HelperDone(Message, descriptors=(0, 1)):
    """The work is done; beside it the tmpfs that it made, if it made one."""


AGENT_TO_ZYGOTE = family(SandboxHandles)
HELPER_TO_ZYGOTE = family(HelperDone, Failed)
