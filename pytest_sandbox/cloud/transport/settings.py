"""Where Modal is, and the credentials for it: as the installed package `modal` is configured.

Each setting is an environment variable, or else that of a profile in `~/.modal.toml`, as with that
package: https://modal.com/docs/reference/modal.config. The package itself is not imported, which
would take longer than a test.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.engine import EngineUnavailable

from .oauth import OAuth, read_oauth

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where Modal's clients connect to: the second one if the first cannot be reached.
MODAL = "https://api.modal.com,https://api.modal2.com"
#: The first release whose sandboxes are those of the second version of the API.
OLDEST = (1, 6)

_HOW_TO_GET_ONE = (
    "Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal token new`, which asks Modal for a "
    "token and stores it. Without an account: --sandbox-engine=local"
)

#: What is sent as metadata, and what it is written in.
_CREDENTIALS = frozenset(
    {
        "token_id",
        "token_secret",
        "oauth_refresh_token",
        "oauth_client_id",
        "oauth_client_secret",
    }
)
_NOT_PRINTED = re.compile("[^!-~]")


@dataclass(frozen=True)
class CloudSettings:
    """Where Modal is, and the credentials for it.

    Attributes:
        server_urls: of its control plane; the first that answers is used.
        token_id: of the token; begins with `ak-`. Empty with credentials by OAuth.
        token_secret: of the token; likewise.
        environment: Modal's environment for what names none; empty for the default one.
        version: of the installed package `modal`.
        source: where the token is from, for messages.
        oauth: credentials by OAuth; `None` with a token.
    """

    server_urls: tuple[str, ...]
    token_id: str
    token_secret: str = field(repr=False)
    environment: str
    version: str
    source: str
    oauth: OAuth | None = None

    @property
    def who(self) -> str:
        """Whose credentials they are, without what is secret of them."""
        return self.token_id if self.oauth is None else self.oauth.client_id


def read_settings(environ: Mapping[str, str]) -> CloudSettings:
    """The settings of this machine.

    Args:
        environ: the environment variables.

    Raises:
        EngineUnavailable: there is no package, or no token, or the settings make no sense.
    """
    version = _version()
    path = environ.get("MODAL_CONFIG_PATH") or os.path.expanduser("~/.modal.toml")
    profiles = _profiles(path)
    profile = environ.get("MODAL_PROFILE") or _active(path, profiles)
    if environ.get("MODAL_PROFILE") and profile not in profiles and "MODAL_TOKEN_ID" not in environ:
        known = f"it has {', '.join(sorted(profiles))}" if profiles else "it has none"
        raise EngineUnavailable(
            f"MODAL_PROFILE={profile!r}: there is no such profile in {path}; {known}",
            f"Unset the variable, or make the profile: modal token new --profile {profile}",
        )
    table = profiles.get(profile, {})

    def setting(name: str) -> str:
        value = environ.get(f"MODAL_{name.upper()}", table.get(name))
        text = "" if value is None else str(value)
        if name in _CREDENTIALS:
            of_profile = f"MODAL_{name.upper()}" not in environ
            _check_characters(name, text, f"the profile {profile!r} of {path}" * of_profile)
        return text

    token_id, token_secret = setting("token_id"), setting("token_secret")
    oauth = read_oauth(setting)
    if oauth is not None and (token_id or token_secret):
        raise EngineUnavailable(
            "there is a token for Modal (MODAL_TOKEN_ID, or of the profile "
            f"{profile!r} of {path}), and credentials by OAuth (MODAL_OAUTH_CLIENT_ID)",
            "Unset one of them; Modal's client takes either.",
        )
    if oauth is None:
        _check_token(token_id, token_secret, f"the profile {profile!r} of {path}")
    variable = "MODAL_TOKEN_ID" if oauth is None else "MODAL_OAUTH_CLIENT_ID"
    return CloudSettings(
        server_urls=_urls(setting("server_url") or MODAL),
        token_id=token_id,
        token_secret=token_secret,
        environment=setting("environment"),
        version=version,
        source=variable if variable in environ else f"the profile {profile!r} of {path}",
        oauth=oauth,
    )


def has_token(environ: Mapping[str, str]) -> bool:
    """Whether there is a token that could be used."""
    try:
        read_settings(environ)
    except EngineUnavailable:
        return False
    return True


def _check_token(token_id: str, token_secret: str, profile: str) -> None:
    if not token_id and not token_secret:
        raise EngineUnavailable(
            f"there is no token for Modal: MODAL_TOKEN_ID is not set, and {profile} has none",
            _HOW_TO_GET_ONE,
        )
    if not token_id or not token_secret:
        missing = "secret" if token_id else "id"
        raise EngineUnavailable(
            f"the token for Modal has no {missing}",
            f"Set MODAL_TOKEN_{missing.upper()} too, or make a new token: modal token new",
        )


def _check_characters(name: str, text: str, profile: str) -> None:
    """Refuse what cannot be sent: the message has only the character that is wrong."""
    wrong = _NOT_PRINTED.search(text)
    if wrong is None:
        return
    where = f"{name} of {profile}" if profile else f"MODAL_{name.upper()}"
    raise EngineUnavailable(
        f"{where} has {wrong[0]!r} as character {wrong.start() + 1} of {len(text)}, which no "
        "credentials have",
        "Copy it again. Files with the line ends of Windows leave a '\\r' at the end.",
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("modal")
    except PackageNotFoundError:
        raise EngineUnavailable(
            "the engine 'modal' needs the package 'modal', which is not installed: Modal's servers "
            "ask each client for the version of that package",
            _how_to_install(),
        ) from None
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        raise EngineUnavailable(
            f"the installed package 'modal' is {found}, which does not speak the second version of "
            "Modal's API for sandboxes",
            _how_to_install(),
        )
    return found


def _how_to_install() -> str:
    return f"Install one that does: {install_command('modal')} 'modal>=1.6'"


def _profiles(path: str) -> dict[str, dict[str, Any]]:
    """The tables of the file; none if there is no file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # which pytest needs there
    try:
        with open(path, "rb") as file:
            content: dict[str, dict[str, Any]] = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineUnavailable(
            f"the configuration of Modal's client, {path}, cannot be read: {error}",
            "Mend it, or name another file in MODAL_CONFIG_PATH.",
        ) from None
    if wrong := [name for name, table in content.items() if not isinstance(table, dict)]:
        raise EngineUnavailable(
            f"the configuration of Modal's client, {path}, must have a table for each profile; "
            f"{wrong[0]!r} is none",
            f"Write [NAME] above {wrong[0]!r}.",
        )
    return content


def _active(path: str, profiles: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the profile that is used if none is named."""
    active = [name for name, table in profiles.items() if table.get("active") is True]
    if len(active) > 1:
        raise EngineUnavailable(
            f"more than one profile of {path} is active: {', '.join(active)}",
            "Choose one: modal profile activate NAME, or MODAL_PROFILE=NAME",
        )
    if len(profiles) > 1 and not active:  # Modal's client refuses to guess, too
        raise EngineUnavailable(
            f"no profile of {path} is active: it has {', '.join(sorted(profiles))}",
            "Choose one: modal profile activate NAME, or MODAL_PROFILE=NAME",
        )
    return active[0] if active else "default"


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(part.strip().rstrip("/") for part in text.split(","))
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.path:
            raise EngineUnavailable(
                f"MODAL_SERVER_URL={text!r}: {url!r} is not a URL such as https://HOST",
                "Unset it: Modal's own servers need none.",
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise EngineUnavailable(
                f"MODAL_SERVER_URL={text!r}: {url!r} would show the token to everybody on the way",
                "Use https://.",
            )
    return urls


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
