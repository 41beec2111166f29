"""The header `Authorization` for one repository: a token of the registry's, or the login itself."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from ..errors import ImageDenied, RegistryUnreachable, shown
from . import challenge
from .web import read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..reference import Reference
    from .challenge import Challenge
    from .login import Login
    from .web import Web

#: Bytes of the answer of a token server.
_LARGEST_ANSWER = 256 * 1024
_TOKEN = re.compile(r"[!-~]{1,65536}")
_CLIENT = "pytest-sandbox"


class Authorization:
    """What requests for one repository are sent with; threads share it.

    Args:
        reference: of the image.
        login: gives the login of the user; asked only if the registry wants to know.
    """

    def __init__(self, reference: Reference, login: Callable[[], Login | None]) -> None:
        self._reference = reference
        self._find_login = login
        self._lock = threading.Lock()
        self._header = ""

    @property
    def header(self) -> str:
        """The value to send; empty for none."""
        return self._header

    def renew(self, web: Web, url: str, asked: Sequence[str], used: str) -> None:
        """Get what a registry asks for.

        Args:
            web: to ask with.
            url: of the request that it has answered with 401.
            asked: its headers `WWW-Authenticate`.
            used: the value that was sent.

        Raises:
            ImageDenied: there is no login, or it is refused.
            RegistryUnreachable: the registry asks for something that does not exist.
        """
        with self._lock:
            if self._header != used:
                return  # another thread has renewed it meanwhile
            offered = challenge.parse(asked)
            login = self._find_login()
            for each in offered:
                if each.scheme == "bearer" and each.parameters.get("realm"):
                    self._header = f"Bearer {self._token(web, url, each, login)}"
                    return
            for each in offered:
                if each.scheme == "basic" and login is not None and not login.identity_token:
                    if login.basic == used:
                        break
                    self._header = login.basic
                    return
            raise self.denied(login)

    def denied(self, login: Login | None = None, said: str = "") -> ImageDenied:
        """The error of a registry that does not give the image.

        Args:
            login: what was sent; `None` if nothing was.
            said: the registry's own words.
        """
        login = login or self._find_login()
        reference = self._reference
        words = f" ({said})" if said else ""
        if login is None:
            return ImageDenied(
                f"{reference}: the registry {reference.registry} does not give it without a "
                f"login{words}, or it does not exist: log in with `docker login "
                f"{reference.registry}`, or give a secret with REGISTRY_USERNAME and "
                "REGISTRY_PASSWORD"
            )
        name = f"the user {login.username!r}" if login.username else "the token"
        return ImageDenied(
            f"{reference}: the registry {reference.registry} refuses {name} of "
            f"{login.source}{words}: the login is wrong or out of date, it may not read the "
            "image, or the image does not exist"
        )

    def _token(self, web: Web, url: str, asked: Challenge, login: Login | None) -> str:
        """A token of the server that the registry names."""
        realm = asked.parameters["realm"]
        if urlsplit(url).scheme == "https" and not realm.startswith("https://"):
            raise RegistryUnreachable(
                f"{self._reference}: the registry asks for a token of {shown(realm)}, which is not "
                "encrypted"
            )
        fields = {
            "service": asked.parameters.get("service", ""),
            "scope": asked.parameters.get("scope")
            or f"repository:{self._reference.repository}:pull",
        }
        fields = {name: value for name, value in fields.items() if value}
        if login is not None and login.identity_token:
            fields |= {
                "grant_type": "refresh_token",
                "client_id": _CLIENT,
                "refresh_token": login.identity_token,
            }
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = web.request("POST", realm, form, urlencode(fields).encode())
        else:
            headers = {} if login is None else {"Authorization": login.basic}
            mark = "&" if "?" in realm else "?"
            answer = web.request("GET", f"{realm}{mark}{urlencode(fields)}", headers)
        data = read_all(answer, _LARGEST_ANSWER, web.timeout)
        status = answer.status
        web.drop(answer)
        if status in (400, 401, 403):
            raise self.denied(login)
        return self._in_answer(data, status, realm)

    def _in_answer(self, data: bytes, status: int, realm: str) -> str:
        try:
            found = json.loads(data)
            token = found.get("token") or found.get("access_token")
        except (ValueError, RecursionError, AttributeError):
            token = None
        if status != 200 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise RegistryUnreachable(
                f"{self._reference}: {shown(realm)} was asked for a token, and answered with "
                f"status {status} and none"
            )
        return token
