"""What both ends of an HTTP/2 connection, the client's and the server's, do to be quick."""

from .frames import FIRST_WINDOW as FIRST_WINDOW
from .joined_writes import JoinedWrites as JoinedWrites
from .plain_connection import PlainConnection as PlainConnection

__all__ = ["FIRST_WINDOW", "JoinedWrites", "PlainConnection"]
