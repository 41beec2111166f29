"""Transfers: where clients put contents to upload, and get those of files, over HTTP."""

import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineError

from .http import HttpError, HttpHandler, HttpRequest, HttpResponse, HttpServer
from .signed_urls import SignedPaths
from .uploads import Upload, Uploads
from .volume_files import VolumeFiles

if TYPE_CHECKING:
    import ssl

#: Bytes of a block, as Modal's clients assume.
BLOCK = 8 * 1024**2


class Transfers(HttpHandler):
    """Addresses for the contents of files, and what happens there.

    Args:
        files: of the volumes.
        uploads: where contents go.
    """

    def __init__(self, files: VolumeFiles, uploads: Uploads) -> None:
        self._files = files
        self._uploads = uploads
        self._signed = SignedPaths()
        #: Where it listens; an address by which clients reach this machine.
        self.host = "127.0.0.1"
        #: To speak TLS.
        self.tls: ssl.SSLContext | None = None
        self._server: HttpServer | None = None

    async def put_url(self, digest: str) -> str:
        """Where to put the content of that SHA-256, in hexadecimal."""
        return await self._base() + self._signed.sign("PUT", digest)

    async def get_urls(self, volume: str, path: str, start: int, size: int) -> list[str]:
        """Where to get bytes of a file: an address for each block.

        Args:
            volume: its name for the engine.
            path: of the file.
            start: where to begin.
            size: how many bytes, all of which the file has.
        """
        base = await self._base()
        urls = []
        end = start + size
        while start < end:
            length = min(end, (start // BLOCK + 1) * BLOCK) - start
            urls.append(base + self._signed.sign("GET", volume, path, start, length))
            start += length
        return urls

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.close()

    async def _base(self) -> str:
        if self._server is None:
            self._server = HttpServer(self, self.host, self.tls)
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{host}:{await self._server.port()}"

    async def handle(self, request: HttpRequest, body: AsyncIterator[bytes]) -> HttpResponse:
        """Answer a request to an address that was given out."""
        if request.method not in ("GET", "PUT"):
            raise HttpError(405, f"{request.method} is neither GET nor PUT")
        about = self._signed.read(request.method, request.path)
        if about is None:
            raise HttpError(403, "this server did not give out that address")
        if request.method == "PUT":
            return await self._put(str(about[0]), body)
        return await self._get(*about)

    async def _put(self, digest: str, body: AsyncIterator[bytes]) -> HttpResponse:
        upload = Upload()
        md5 = hashlib.md5(usedforsecurity=False)
        try:
            async for data in body:
                upload.write(data)
                md5.update(data)
        except OSError as error:
            raise HttpError(507, str(error)) from None
        if upload.digest != digest:
            raise HttpError(400, f"the content has the SHA-256 {upload.digest}, not {digest}")
        self._uploads.add(upload)
        return HttpResponse(len(digest), _text(digest), etag=md5.hexdigest())

    async def _get(self, volume: str, path: str, start: int, size: int) -> HttpResponse:
        try:
            await self._files.size(volume, path)
        except (OSError, EngineError) as error:
            raise HttpError(404, str(error)) from None
        return HttpResponse(size, self._files.read(volume, path, start, size))


async def _text(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
