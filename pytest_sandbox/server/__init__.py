"""The server: all policy, once for every engine."""

from .application import Application as Application
from .rpc.auth import ListenerConfig as ListenerConfig

__all__ = ["Application", "ListenerConfig"]
