"""Snapshots of directories that are encrypted with a key of the client's, and stored so only.

What is in one is a tar stream, in pieces that are each encrypted and authenticated by AES-GCM
(NIST SP 800-38D), with a key that HKDF (RFC 5869) makes of the client's and of a random salt. So no
key is used twice, and pieces can be numbered to be nonces. That a piece is the last one is
authenticated too: a stream that was cut off is noticed.
"""

import asyncio
import importlib.util
import os
import secrets
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO

from grpclib import GRPCError, Status

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Clock

from ..model.ids import Ids
from ..rpc.errors import invalid, not_found, precondition

#: Bytes of a key, as Modal's clients check it.
_SHORTEST_KEY, _LONGEST_KEY = 16, 512
#: Bytes that all of them may take on disk.
_MOST_BYTES = 4 * 1024**3
_PIECE = 1024 * 1024
_SALT, _TAG = 16, 16
_MORE, _LAST = b"more", b"last"


@dataclass(frozen=True)
class EncryptedSnapshot:
    """A snapshot of a directory that nobody can read without its key.

    Attributes:
        id: begins with `im-`.
        file: the encrypted pieces; it has no name, and is gone with this process.
        salt: makes a key of the client's.
        size: bytes of the file.
        expiry: when its time to live has ended, on the engine's monotonic clock; `None` for never.
    """

    id: str
    file: BinaryIO
    salt: bytes
    size: int
    expiry: float | None


class EncryptedSnapshots:
    """Those of one server.

    Args:
        clock: the engine's.
        ids: makes their ids.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._snapshots: dict[str, EncryptedSnapshot] = {}
        self._expired: set[str] = set()

    async def add(
        self, stream: AsyncIterator[bytes], key: bytes, ttl: float | None
    ) -> EncryptedSnapshot:
        """Encrypt a stream, and store it.

        Args:
            stream: of the directory.
            key: the client's, which is not stored.
            ttl: seconds that it is stored; `None` for as long as this server runs.

        Raises:
            GRPCError: FAILED_PRECONDITION or INVALID_ARGUMENT; RESOURCE_EXHAUSTED: no room.
            OSError: as `stream` or the disk raises it.
        """
        check_key(key)
        salt = secrets.token_bytes(_SALT)
        cipher = _cipher(key, salt)
        room = _MOST_BYTES - sum(each.size for each in self._all())
        file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the snapshot
        try:
            size = await _write(file, stream, cipher, room)
        except BaseException:
            file.close()
            raise
        expiry = None if ttl is None else self._clock.monotonic() + ttl
        snapshot = EncryptedSnapshot(self._ids.new("im"), file, salt, size, expiry)
        self._snapshots[snapshot.id] = snapshot
        return snapshot

    def find(self, image_id: str) -> EncryptedSnapshot | None:
        """The snapshot of an id, if it is one of these.

        Raises:
            GRPCError: NOT_FOUND: it was one of these.
        """
        self._all()
        if image_id in self._expired:
            raise not_found("Image", image_id, "its time to live has ended")
        return self._snapshots.get(image_id)

    def forget(self, image_id: str) -> bool:
        """Delete the snapshot of an id; whether it was one of these."""
        snapshot = self._snapshots.pop(image_id, None)
        if snapshot is not None:
            snapshot.file.close()
        return snapshot is not None

    def read(self, snapshot: EncryptedSnapshot, key: bytes) -> AsyncIterator[bytes]:
        """The stream of a snapshot; the key is checked at once.

        Raises:
            GRPCError: INVALID_ARGUMENT or PERMISSION_DENIED: it is not its key.
        """
        if not key:
            raise invalid(
                f"{snapshot.id} is encrypted: mount it with the key that it was made with, "
                "_experimental_encryption_key"
            )
        check_key(key)
        pieces = _decrypted(snapshot, _cipher(key, snapshot.salt))
        first = next(pieces)

        async def stream() -> AsyncIterator[bytes]:
            yield first
            for piece in pieces:
                await asyncio.sleep(0)  # others have a turn
                yield piece

        return stream()

    def close(self) -> None:
        """Delete all of them."""
        for image_id in list(self._snapshots):
            self.forget(image_id)

    def _all(self) -> list[EncryptedSnapshot]:
        now = self._clock.monotonic()
        for snapshot in list(self._snapshots.values()):
            if snapshot.expiry is not None and snapshot.expiry <= now:
                self.forget(snapshot.id)
                self._expired.add(snapshot.id)
        return list(self._snapshots.values())


def check_key(key: bytes) -> None:
    """Refuse what cannot be a key, or used as one here.

    Raises:
        GRPCError: FAILED_PRECONDITION or INVALID_ARGUMENT.
    """
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise invalid(
            f"an encryption key has {_SHORTEST_KEY} to {_LONGEST_KEY} bytes, not {len(key)}"
        )
    if importlib.util.find_spec("cryptography") is None:
        raise precondition(
            "an encryption key needs the package cryptography: "
            f"{install_command('serve')}, and start again"
        )


def _cipher(key: bytes, salt: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 32, salt, b"pytest-sandbox snapshot of a directory").derive(key)
    return AESGCM(derived)


async def _write(file: BinaryIO, stream: AsyncIterator[bytes], cipher: Any, room: int) -> int:
    """Write a stream in pieces, encrypted; the bytes that they take."""
    size = number = 0
    rest = bytearray()

    def put(piece: bytes, what: bytes) -> None:
        nonlocal size, number
        sealed = cipher.encrypt(_nonce(number), piece, what)
        size, number = size + len(sealed), number + 1
        if size > room:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"encrypted snapshots take {_MOST_BYTES} bytes at most: delete some, or wait for "
                "the end of their time to live",
            )
        file.write(sealed)

    async for data in stream:
        rest += data
        while len(rest) > _PIECE:
            put(bytes(rest[:_PIECE]), _MORE)
            del rest[:_PIECE]
    put(bytes(rest), _LAST)
    file.flush()
    return size


def _decrypted(snapshot: EncryptedSnapshot, cipher: Any) -> Iterator[bytes]:
    from cryptography.exceptions import InvalidTag

    number = offset = 0
    file = os.dup(snapshot.file.fileno())  # others may read it too, or delete it meanwhile
    try:
        while offset < snapshot.size:
            sealed = os.pread(file, _PIECE + _TAG, offset)
            offset += len(sealed)
            what = _LAST if offset >= snapshot.size else _MORE
            try:
                yield cipher.decrypt(_nonce(number), sealed, what)
            except InvalidTag:
                raise GRPCError(
                    Status.PERMISSION_DENIED,
                    f"Image {snapshot.id!r} is encrypted, and this is not its key",
                ) from None
            number += 1
    finally:
        os.close(file)


def _nonce(number: int) -> bytes:
    return struct.pack("!IQ", 0, number)
