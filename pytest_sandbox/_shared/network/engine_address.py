"""Where an engine on another machine is: `grpc+tls://`, `grpc://` and `ssh://` addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pytest_sandbox._shared.engine_options import RAY
from pytest_sandbox._shared.suggestions import did_you_mean

from .loopback import is_loopback

Scheme = Literal["grpc+tls", "grpc", "ssh"]

SCHEMES: tuple[Scheme, ...] = ("grpc+tls", "grpc", "ssh")
#: What may follow the `?` of an address, by its scheme.
_QUERIES: dict[Scheme, tuple[str, ...]] = {
    "grpc+tls": ("fingerprint", "lease"),
    "grpc": ("lease",),
    "ssh": ("program",),
}
_SHAPES: dict[Scheme, str] = {
    "grpc+tls": "grpc+tls://TOKEN@HOST:PORT?fingerprint=SHA256",
    "grpc": "grpc://TOKEN@127.0.0.1:PORT",
    "ssh": "ssh://[USER@]HOST[:PORT][?program=/path/to/pytest-sandbox]",
}
#: Seconds that a far side may be asked to wait for a near side that is gone.
LEASES = (1, 3600)
_DEFAULT_LEASE = 30.0


class InvalidAddress(ValueError):
    """A text is no address of an engine.

    Args:
        reason: with the text, but without the token that may be in it.
        remedy: what to do.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}\n{remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class RemoteAddress:
    """Where an engine on another machine is.

    Attributes:
        scheme: how to get there.
        host: its name or address.
        port: 0 for what ssh has by default.
        token: shown to the far side; empty with ssh, which has keys of its own.
        user: for ssh; empty for what ssh has by default.
        fingerprint: SHA-256 of the far side's certificate, in lower-case hexadecimal; empty if an
            authority vouches for it.
        program: what ssh runs there.
        lease: seconds for which the far side keeps what a run made after the connection is lost.
    """

    scheme: Scheme
    host: str
    port: int = 0
    token: str = field(default="", repr=False)
    user: str = ""
    fingerprint: str = ""
    program: str = "pytest-sandbox"
    lease: float = _DEFAULT_LEASE

    @classmethod
    def parse(cls, text: str) -> RemoteAddress:
        """An address as users write it.

        Raises:
            InvalidAddress: it is none. The message never has the token.
        """
        scheme = _scheme(text)
        shown = hidden(text)
        before, at, _ = text.partition("://")[2].rpartition("@")
        if at and any(mark in before for mark in "/?#"):
            why = "a '/', '?' or '#' before the '@' is written %2F, %3F or %23"
            raise _invalid(shown, scheme, why)
        try:
            parts = urlsplit(text)
            port = parts.port or 0
        except ValueError as error:
            raise _invalid(shown, scheme, hidden(str(error))) from None
        if not parts.hostname:
            raise _invalid(shown, scheme, "it has no host")
        if parts.path not in ("", "/") or parts.fragment:
            raise _invalid(shown, scheme, "it ends with a path")
        if parts.password is not None:
            raise _invalid(shown, scheme, "it has a ':' before the '@'")
        name = unquote(parts.username or "")
        address = cls(scheme, parts.hostname, port, **_options(parts.query, shown, scheme))
        if scheme == "ssh":
            if name.startswith("-") or address.host.startswith("-"):
                raise _invalid(shown, scheme, "ssh would take it for an option")
            return replace(address, user=name)
        if not port:
            raise _invalid(shown, scheme, "it has no port")
        if scheme == "grpc" and not is_loopback(address.host):
            raise InvalidAddress(
                f"{shown}: {address.host} is another machine, and grpc:// is not encrypted",
                "Use the grpc+tls:// address that `pytest-sandbox serve --listen` prints there.",
            )
        return replace(address, token=name)

    @property
    def place(self) -> str:
        """Where that is, for people: `grpc+tls://gpu-box:4433`."""
        return RemoteAddress(self.scheme, self.host, self.port, user=self.user).public

    @property
    def public(self) -> str:
        """The address as `parse` takes it, without what is secret."""
        return self._text("")

    @property
    def whole(self) -> str:
        """The address as `parse` takes it, with its token."""
        return self._text(self.token)

    def _text(self, token: str) -> str:
        name = quote(token or self.user, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{host}:{self.port}" if self.port else host
        query = {
            "fingerprint": self.fingerprint,
            "lease": f"{self.lease:g}" if self.lease != _DEFAULT_LEASE else "",
            "program": self.program if self.program != RemoteAddress.program else "",
        }
        words = urlencode({key: value for key, value in query.items() if value}, safe="/:")
        at, mark = ("@" if name else ""), ("?" if words else "")
        return f"{self.scheme}://{name}{at}{place}{mark}{words}"


def place_of(engine: str) -> str:
    """The name of an engine for people; of an address, where that is.

    Raises:
        InvalidAddress: it looks like an address, and is none.
    """
    return RemoteAddress.parse(engine).place if _has_token(engine) else engine


def split(engine: str) -> tuple[str, str]:
    """The name of an engine without what is secret in it, and that; of most it is the name and "".

    Raises:
        InvalidAddress: it looks like an address, and is none.
    """
    if not _has_token(engine):
        return engine, ""
    address = RemoteAddress.parse(engine)
    return address.public, address.token


def _has_token(engine: str) -> bool:
    """Whether the name of an engine is an address that may have a token."""
    return "://" in engine and not engine.startswith(f"{RAY}:")


def is_remote(engine: str) -> bool:
    """Whether the name of an engine is an address of another machine."""
    return engine.partition("://")[0] in SCHEMES and "://" in engine


def hidden(text: str) -> str:
    """An address, or what should be one, without the token that may be in it.

    All that stands before the last '@' may be the token, also if the scheme was forgotten. With ssh
    it is a user, whose password has no place there.
    """
    if text.startswith("ssh://"):
        return re.sub(r"(?<=//)([^:@]*):.*@", r"\1:PASSWORD@", text)
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "", text
    _, at, place = rest.rpartition("@")
    return f"{scheme}{mark}TOKEN@{place}" if at else text


def _scheme(text: str) -> Scheme:
    scheme = text.partition("://")[0]
    if not is_remote(text):
        raise InvalidAddress(
            f"{hidden(text)[:200]!r} is no address of an engine",
            f"It begins with one of {', '.join(f'{each}://' for each in SCHEMES)}.",
        )
    return cast("Scheme", scheme)


def _options(query: str, shown: str, scheme: Scheme) -> dict[str, Any]:
    """What follows the `?`, as arguments of `RemoteAddress`."""
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _QUERIES[scheme]:
            hint = did_you_mean(name, _QUERIES[scheme])
            raise _invalid(shown, scheme, f"it has no {name!r}{'; ' if hint else ''}{hint}")
        if name == "fingerprint":
            options[name] = _fingerprint(value, shown, scheme)
        elif name == "lease":
            options[name] = _lease(value, shown, scheme)
        elif not re.fullmatch(r"[\w./+~-]+", value) or value.startswith("-"):
            raise _invalid(shown, scheme, f"no program has the name {value!r}")
        else:
            options[name] = value
    return options


def _fingerprint(value: str, shown: str, scheme: Scheme) -> str:
    digits = value.lower().removeprefix("sha256:").replace(":", "")
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise _invalid(
            shown, scheme, f"the fingerprint {value!r} is no SHA-256 in 64 hexadecimal digits"
        )
    return digits


def _lease(value: str, shown: str, scheme: Scheme) -> float:
    least, most = LEASES
    if not re.fullmatch(r"[0-9]{1,5}", value) or not least <= int(value) <= most:
        raise _invalid(shown, scheme, f"lease={value} is no number of seconds, {least} to {most}")
    return float(value)


def _invalid(shown: str, scheme: Scheme, why: str) -> InvalidAddress:
    return InvalidAddress(
        f"{shown!r} is no address of an engine: {why}", f"It has the form {_SHAPES[scheme]}."
    )
