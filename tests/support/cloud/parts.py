"""Large contents that come in parts, as to S3."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox.server.volumes.http import HttpError, HttpHandler, HttpResponse, HttpServer
from pytest_sandbox.server.volumes.uploads import Upload

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from pytest_sandbox.server.volumes.http import HttpRequest
    from pytest_sandbox.server.volumes.uploads import Uploads

_ETAG = re.compile(r'<PartNumber>(\d+)</PartNumber>\s*<ETag>"([0-9a-f]{32})"</ETag>')


class Parts(HttpHandler):
    """Takes parts, and joins them.

    Args:
        size: bytes of a part.
        uploads: where a content goes that is complete.

    Attributes:
        requests: what was asked for, as `METHOD PATH`.
        failures: how many requests are refused next, as if there were too many.
        broken: whether all requests for the first address are refused.
        damaged: whether a part is not stored as it came.
    """

    def __init__(self, size: int, uploads: Uploads) -> None:
        self._size = size
        self._uploads = uploads
        self._parts: dict[str, dict[int, tuple[str, bytes]]] = {}
        self._base = ""
        self._server: HttpServer | None = None
        self.requests: list[str] = []
        self.failures = 0
        self.broken = self.damaged = False

    async def start(self, host: str, tls: ssl.SSLContext) -> None:
        """Listen."""
        self._server = HttpServer(self, host, tls)
        self._base = f"https://{host}:{await self._server.port()}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.close()

    def answer(self, length: int, digest: str) -> pb.BlobCreateResponse:
        """Where to put a content: two addresses, of which a client takes the first that works."""
        count = -(-length // self._size)
        answer = pb.BlobCreateResponse(blob_ids=[f"bl-{digest}", f"bl-{digest}"])
        for place in ("one", "two"):
            answer.multiparts.items.add(
                part_length=self._size,
                upload_urls=[
                    f"{self._base}/{place}/{digest}/{number}" for number in range(1, count + 1)
                ],
                completion_url=f"{self._base}/{place}/{digest}/complete",
            )
        return answer

    async def handle(self, request: HttpRequest, body: AsyncIterator[bytes]) -> HttpResponse:
        """Take a part, or join all of them."""
        self.requests.append(f"{request.method} {request.path}")
        content = b"".join([data async for data in body])
        _, place, digest, last = request.path.split("/")
        if self.failures or (self.broken and place == "one"):
            self.failures = max(0, self.failures - 1)
            raise HttpError(500, "slow down")
        if request.method == "PUT":
            etag = hashlib.md5(content).hexdigest()
            if self.damaged:
                etag = etag[::-1]
            self._parts.setdefault(digest, {})[int(last)] = etag, content
            return HttpResponse(0, _text(b""), etag)
        said = self._joined(digest, content.decode())
        return HttpResponse(len(said), _text(said))

    def _joined(self, digest: str, body: str) -> bytes:
        parts = self._parts.pop(digest)
        listed = {int(number): etag for number, etag in _ETAG.findall(body)}
        if listed != {number: etag for number, (etag, _) in parts.items()}:
            raise HttpError(400, "these are not the parts that came")
        upload = Upload()
        for number in sorted(parts):
            upload.write(parts[number][1])
        if upload.digest != digest:
            raise HttpError(400, f"the content has the SHA-256 {upload.digest}, not {digest}")
        self._uploads.add(upload)
        etags = b"".join(bytes.fromhex(listed[number]) for number in sorted(listed))
        joined = f"{hashlib.md5(etags).hexdigest()}-{len(parts)}"
        return f'<Result><ETag>"{joined}"</ETag></Result>'.encode()


async def _text(content: bytes) -> AsyncIterator[bytes]:
    yield content
