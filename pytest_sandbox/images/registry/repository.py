"""Requests to one repository of a registry: what is refused, broken or too much is tried again."""

from __future__ import annotations

import email.utils
import http.client
import json
import ssl
import time
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..errors import ImageError, ImageNotFound, RegistryUnreachable, shown
from ..reference import DOCKER_HUB
from .authorization import Authorization
from .web import BROKEN, TIMEOUT, Misdirected, Web, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ..reference import Reference
    from .login import Login

_HUB_HOST = "registry-1.docker.io"
#: How often a request is sent that meets a broken connection, an error of the server, or 429.
_ATTEMPTS = 5
#: Seconds before the second attempt, doubled before each further one.
_PAUSE = 0.25
#: Seconds that a registry may ask to wait.
_LONGEST_PAUSE = 60.0
_AGAIN = (408, 429, 500, 502, 503, 504)
_LARGEST_ERROR = 64 * 1024


@dataclass(frozen=True)
class PullSettings:
    """How registries are asked.

    Attributes:
        environ: variables with logins, proxies, ...
        login: comes before those of this user.
        insecure: registries that may be asked over plain HTTP, besides those of this machine.
        timeout: seconds that a connection, or the next bytes on it, may take.
        wait: waits so many seconds; may raise to end all.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None
    insecure: Collection[str] = ()
    timeout: float = TIMEOUT
    wait: Callable[[float], object] = time.sleep


class Repository:
    """A repository; threads share it, each with a `Web` of its own.

    Args:
        reference: of the image.
        settings: how it is asked.
        find_login: gives the login of the user.
    """

    def __init__(
        self, reference: Reference, settings: PullSettings, find_login: Callable[[], Login | None]
    ) -> None:
        self.reference = reference
        self.settings = settings
        self._authorization = Authorization(reference, find_login)
        registry = reference.registry
        self._host = _HUB_HOST if registry == DOCKER_HUB else registry
        self._scheme = ""

    def web(self) -> Web:
        """Connections for one thread; the caller closes them."""
        return Web(self.settings.insecure, self.settings.timeout)

    def get(
        self, web: Web, path: str, headers: Mapping[str, str], attempts: int = _ATTEMPTS
    ) -> http.client.HTTPResponse:
        """The answer with status 200 or 206 to `GET`.

        Args:
            web: of this thread.
            path: below the repository: `manifests/latest`.
            headers: to send.
            attempts: how often it is tried.

        Raises:
            ImageError: the registry cannot be reached, refuses it, or does not have it.
        """
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                answer = self._send(web, path, headers)
            except Misdirected as error:
                raise RegistryUnreachable(f"{self.reference}: {error}") from None
            except BROKEN as error:
                if last or isinstance(error, ssl.SSLCertVerificationError):
                    raise self.unreachable(error) from error
                self.settings.wait(pause(attempt))
                continue
            if answer.status in (200, 206):
                return answer
            after = _retry_after(answer)
            refused = self._refused(web, answer)
            if last or answer.status not in _AGAIN or (after or 0) > _LONGEST_PAUSE:
                raise refused
            self.settings.wait(pause(attempt) if after is None else after)
        raise AssertionError("there is at least one attempt")

    def unreachable(self, error: Exception) -> RegistryUnreachable:
        """The error of a registry to which no connection lasts."""
        reference = self.reference
        if isinstance(error, ssl.SSLCertVerificationError):
            advice = (
                "if the registry has a certificate of its own, name the file in SSL_CERT_FILE, or "
                f"put it into /etc/docker/certs.d/{reference.registry}"
            )
        else:
            advice = (
                "images that were pulled before, `host` and archives need no network; "
                "HTTPS_PROXY names a proxy"
            )
        why = str(error) or type(error).__name__
        return RegistryUnreachable(
            f"{reference}: the registry {reference.registry} cannot be reached: {shown(why)}; "
            f"{advice}"
        )

    def _send(self, web: Web, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer, after what the registry wants to know of the user; once for a request."""
        used = self._authorization.header
        answer = self._first(web, path, _with(headers, used))
        if answer.status != 401:
            return answer
        asked = answer.headers.get_all("WWW-Authenticate") or []
        web.drop(answer)
        self._authorization.renew(web, self._url(path), asked, used)
        return self._first(web, path, _with(headers, self._authorization.header))

    def _first(self, web: Web, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer; the first one tells whether a registry on this machine speaks TLS."""
        if self._scheme:
            return web.request("GET", self._url(path), headers)
        host, _, port = self._host.partition(":")
        if self._host.startswith("["):
            host, _, port = self._host.rpartition(":")
        if not web.may_be_plain(host or self._host, int(port) if port.isdigit() else None):
            self._scheme = "https"
            return web.request("GET", self._url(path), headers)
        try:
            answer = web.request("GET", f"http://{self._host}{self._below(path)}", headers)
            if answer.status != 400:
                self._scheme = "http"
                return answer
            web.drop(answer)
        except (http.client.BadStatusLine, ConnectionResetError):
            pass
        try:
            answer = web.request("GET", f"https://{self._host}{self._below(path)}", headers)
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError:  # it speaks no TLS, so what it said before was its answer
            self._scheme = "http"
            return web.request("GET", self._url(path), headers)
        self._scheme = "https"
        return answer

    def _url(self, path: str) -> str:
        return f"{self._scheme or 'https'}://{self._host}{self._below(path)}"

    def _below(self, path: str) -> str:
        return f"/v2/{self.reference.repository}/{path}"

    def _refused(self, web: Web, answer: http.client.HTTPResponse) -> ImageError:
        """The error of an answer that is none."""
        try:
            said = _words(read_all(answer, _LARGEST_ERROR, self.settings.timeout))
        except BROKEN:
            said = ""
        web.drop(answer)
        reference, status = self.reference, answer.status
        words = f" ({said})" if said else ""
        if status in (401, 403):
            return self._authorization.denied(said=said)
        if status == 404:
            return ImageNotFound(f"{reference}: the registry {reference.registry} has none{words}")
        if status == 429:
            return RegistryUnreachable(
                f"{reference}: the registry {reference.registry} limits how often it is asked"
                f"{words}: log in, or try again later"
            )
        return RegistryUnreachable(
            f"{reference}: the registry {reference.registry} answers with status {status}{words}"
        )


def pause(attempt: int) -> float:
    """Seconds to wait after an attempt that failed."""
    return float(min(_LONGEST_PAUSE, _PAUSE * 2 ** (attempt - 1)))


def _with(headers: Mapping[str, str], authorization: str) -> dict[str, str]:
    further = {"Authorization": authorization} if authorization else {}
    return {"User-Agent": "pytest-sandbox", "Accept-Encoding": "identity", **headers, **further}


def _words(data: bytes) -> str:
    """What a registry says about an error: its first message."""
    try:
        error = json.loads(data)["errors"][0]
        text = ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))
        return shown(text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return ""


def _retry_after(answer: http.client.HTTPResponse) -> float | None:
    """Seconds that a registry asks to wait; `None` if it does not."""
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 10**9))
    parsed = email.utils.parsedate_tz(text) if text else None
    if parsed is None:
        return None
    try:
        return max(0.0, email.utils.mktime_tz(parsed) - time.time())
    except (ValueError, OverflowError):
        return None
