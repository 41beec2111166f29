"""Between the engine and the gateway.

The engine tells the gateway of sandboxes that have a way out, and the gateway does not answer. When
the engine closes the socket, the gateway ends, and every connection with it.
"""

from __future__ import annotations

from .message import Message
from .wire import family


class AdmitRequest(Message, descriptors=(1, 2)):
    """Accept connections from the listeners of a sandbox, which are beside it.

    Attributes:
        name: the engine's name for the sandbox.
        cidrs: where connections may lead.
    """

    name: str
    cidrs: list[str]


class EvictRequest(Message):
    """Close the listeners of a sandbox that has ended, and its connections.

    Attributes:
        name: the engine's name for the sandbox.
    """

    name: str


ENGINE_TO_GATEWAY = family(AdmitRequest, EvictRequest)
GATEWAY_TO_ENGINE = family()
