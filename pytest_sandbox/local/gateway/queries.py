"""Messages of the domain name system, as far as a name server for programs needs them: RFC 1035."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_sandbox._shared.network.reach import Address

_HEADER = struct.Struct("!6H")
_ADDRESS_TYPES = {1: 4, 28: 6}  # A, AAAA
_INTERNET = 1
#: Flags of an answer: it is one, recursion is available; and what is copied of the question.
_ANSWER, _KEPT = 0x8080, 0x7900
_OPCODE = 0x7800
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = 0, 2, 3, 4, 5
#: Seconds for which an answer may be remembered.
_TIME_TO_LIVE = 5
#: A name that was given earlier in the message: at the end of the header.
_NAME_OF_QUESTION = 0xC000 | _HEADER.size
#: Answers that fit into the 512 bytes of a message, whatever the name is.
_MOST_ADDRESSES = 8


class Query:
    """A question for a name.

    Args:
        data: the message.

    Attributes:
        name: what is asked for.
        family: 4 or 6 for addresses of that version of IP; 0 for anything else.

    Raises:
        ValueError: it is no question that can be answered.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise ValueError("too short")
        self._number, self._flags, questions, *_ = _HEADER.unpack_from(data)
        if self._flags & (0x8000 | _OPCODE) or questions != 1:
            raise ValueError("no question")
        self.name, end = _name(data, _HEADER.size)
        if len(data) < end + 4:
            raise ValueError("too short")
        kind, network = struct.unpack_from("!HH", data, end)
        self._question = data[_HEADER.size : end + 4]
        self.family = _ADDRESS_TYPES.get(kind, 0) if network == _INTERNET else 0

    def answer(self, code: int, addresses: list[Address] | None = None) -> bytes:
        """The message that answers it.

        Args:
            code: how it went.
            addresses: what the name stands for; those of the other family are left out.
        """
        fitting = [one for one in addresses or () if one.version == self.family]
        records = b"".join(_record(one) for one in fitting[:_MOST_ADDRESSES])
        flags = _ANSWER | self._flags & _KEPT | code
        count = min(len(fitting), _MOST_ADDRESSES)
        return _HEADER.pack(self._number, flags, 1, count, 0, 0) + self._question + records


def _record(address: Address) -> bytes:
    kind = next(kind for kind, version in _ADDRESS_TYPES.items() if version == address.version)
    packed = address.packed
    head = (_NAME_OF_QUESTION, kind, _INTERNET, _TIME_TO_LIVE, len(packed))
    return struct.pack("!HHHIH", *head) + packed


def _name(data: bytes, position: int) -> tuple[str, int]:
    """A name, and where it ends; nothing is compressed in a question."""
    labels: list[bytes] = []
    while size := data[position : position + 1]:
        end = position + 1 + size[0]
        if size[0] > 63 or len(data) < end:
            break
        if not size[0]:
            return b".".join(labels).decode("ascii"), end
        labels.append(data[position + 1 : end])
        position = end
    raise ValueError("no name")
