"""The server: all policy, once for every engine."""

from ._app import App as App
from ._auth import Listener as Listener

__all__ = ["App", "Listener"]
