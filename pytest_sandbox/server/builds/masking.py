"""Hides the secrets of a build in what its steps print."""

import re
from collections.abc import Iterable

from ..rpc.redaction import HIDDEN

#: Characters below which a value is not hidden: `1` or `true` would be found everywhere.
_SHORTEST = 6


class Mask:
    """Replaces secrets in a stream of bytes, also when they come in parts.

    Args:
        secrets: the values.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {value.encode("utf-8", "surrogateescape") for value in secrets}
        # The longest first: one may be the beginning of another.
        self._secrets = sorted((v for v in values if len(v) >= _SHORTEST), key=len, reverse=True)
        self._any = re.compile(b"|".join(map(re.escape, self._secrets)) or b"(?!)")
        self._held = b""

    def hide(self, data: bytes, *, last: bool = False) -> bytes:
        """The next bytes of the stream that can be shown.

        Args:
            data: that came.
            last: whether nothing comes any more.
        """
        data = self._held + data
        shown = []
        position = 0
        end = len(data) if last else self._begun(data, 0)
        while (match := self._any.search(data, position)) and match.start() < end:
            shown += [data[position : match.start()], HIDDEN.encode()]
            position = match.end()
            end = len(data) if last else self._begun(data, position)
        self._held = data[end:]
        return b"".join([*shown, data[position:end]])

    def _begun(self, data: bytes, position: int) -> int:
        """Where, from a position on, a secret may begin that has not come as a whole."""
        longest = len(self._secrets[0]) if self._secrets else 1
        for start in range(max(position, len(data) - longest + 1), len(data)):
            rest = data[start:]
            if any(len(rest) < len(each) and each.startswith(rest) for each in self._secrets):
                return start
        return len(data)
