"""What each end of a connection says of itself: RFC 9113, sections 6.5 and 7.

`h2` has six objects and a hundred steps for what two dictionaries say. A test with an engine in
memory makes a connection of its own.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from .frames import FIRST_WINDOW, LAST_31

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENTRY = struct.Struct(">HL")
#: Bytes of a frame's payload that every end takes.
SMALLEST_FRAME = 2**14
#: Calls at a time, if their number was not limited.
_UNLIMITED = 2**32 + 1
#: Calls at a time that the peer may begin, unless it is told another number: as `h2` has it.
_CALLS = 100
#: The values that settings can have; those of others are not known.
_LEGAL = {
    SettingCodes.ENABLE_PUSH: range(2),
    SettingCodes.INITIAL_WINDOW_SIZE: range(LAST_31 + 1),
    SettingCodes.MAX_FRAME_SIZE: range(SMALLEST_FRAME, 2**24),
    SettingCodes.ENABLE_CONNECT_PROTOCOL: range(2),
}


class EndSettings(dict[int, int]):
    """What one end has said, by the codes of the settings."""

    @property
    def initial_window_size(self) -> int:
        """Bytes of a new call that it takes at first."""
        return self.get(SettingCodes.INITIAL_WINDOW_SIZE, FIRST_WINDOW)

    @property
    def max_frame_size(self) -> int:
        """Bytes of a frame's payload that it takes."""
        return self.get(SettingCodes.MAX_FRAME_SIZE, SMALLEST_FRAME)

    @property
    def max_concurrent_streams(self) -> int:
        """Calls that it takes at a time."""
        return self.get(SettingCodes.MAX_CONCURRENT_STREAMS, _UNLIMITED)


def first_settings(headers: int, own: Mapping[int, int], *, client: bool) -> EndSettings:
    """What an end says first.

    Args:
        headers: bytes that those of a call may have.
        own: what it says besides.
        client: whether it is the client's, which takes no calls that the server begins.
    """
    first = EndSettings({SettingCodes.MAX_CONCURRENT_STREAMS: _CALLS})
    first[SettingCodes.MAX_HEADER_LIST_SIZE] = headers
    if client:
        first[SettingCodes.ENABLE_PUSH] = 0
    first.update(own)
    return first


def written(settings: Mapping[int, int]) -> bytes:
    """The payload of a frame that says these."""
    return b"".join([_ENTRY.pack(*setting) for setting in settings.items()])


def read(payload: bytes) -> dict[int, int]:
    """What a payload says.

    Raises:
        ProtocolError: it is none, or says what cannot be.
    """
    if len(payload) % _ENTRY.size:
        raise ProtocolError("a frame with settings has the wrong length")
    settings = dict(_ENTRY.iter_unpack(payload))
    for code, value in settings.items():
        if code in _LEGAL and value not in _LEGAL[code]:
            raise ProtocolError(f"the setting {code} cannot be {value}")
    return settings
