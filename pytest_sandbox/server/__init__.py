"""The server: all policy, once for every engine."""

from .application import App as App
from .rpc.auth import Listener as Listener

__all__ = ["App", "Listener"]
