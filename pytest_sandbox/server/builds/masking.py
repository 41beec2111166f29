"""Hides the secrets of a build in what its steps print."""

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
        # The longest first: one may be a part of another.
        self._secrets = sorted((v for v in values if len(v) >= _SHORTEST), key=len, reverse=True)
        self._held = b""

    def hide(self, data: bytes, *, last: bool = False) -> bytes:
        """The next bytes of the stream that can be shown.

        Args:
            data: that came.
            last: whether nothing comes any more.
        """
        data = self._held + data
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN.encode())
        held = 0 if last else max((_begun(data, secret) for secret in self._secrets), default=0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]


def _begun(data: bytes, secret: bytes) -> int:
    """How many bytes at the end may be the beginning of a secret."""
    most = min(len(data), len(secret) - 1)
    return next((size for size in range(most, 0, -1) if data.endswith(secret[:size])), 0)
