"""What both ends of an HTTP/2 connection, the client's and the server's, do to be quick."""

from .frames import FIRST_WINDOW as FIRST_WINDOW
from .joined_writes import JoinedWrites as JoinedWrites
from .one_buffer import OneBuffer as OneBuffer
from .plain_connection import PlainConnection as PlainConnection
from .ready_configuration import ReadyConfiguration as ReadyConfiguration

__all__ = ["FIRST_WINDOW", "JoinedWrites", "OneBuffer", "PlainConnection", "ReadyConfiguration"]
