"""Names and passwords for registries: those of `docker login`, `podman login` and their helpers.

    $REGISTRY_AUTH_FILE                        podman, skopeo
    $XDG_RUNTIME_DIR/containers/auth.json      podman
    $DOCKER_CONFIG/config.json                 Docker; else ~/.docker/config.json

The first one decides that has an entry. An entry is under `auths`, or a program
`docker-credential-NAME` is asked, which `credHelpers` names for a registry or `credsStore` for all.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..errors import ImageDenied, shown
from ..reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..reference import Reference

#: How Docker calls its own registry in its files.
_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
#: The name with which a helper gives an identity token instead of a password.
_IDENTITY = "<token>"
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_TIMEOUT = 30.0
#: What helpers say of a registry that they have nothing for.
_NOT_FOUND = re.compile(rb"not found|no credentials|does not exist", re.IGNORECASE)
_LARGEST_FILE = 1024 * 1024


@dataclass(frozen=True)
class Login:
    """A name and a password for a registry, or what stands for them.

    Attributes:
        username: the name.
        password: the password, or an access token in its place.
        identity_token: exchanged for tokens (OAuth2), instead of both.
        source: where it is from, for messages.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def basic(self) -> str:
        """The value of a header `Authorization`."""
        text = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(text).decode()}"


def find_login(reference: Reference, environ: Mapping[str, str]) -> Login | None:
    """The login of this user for an image; `None` if there is none.

    Raises:
        ImageDenied: a file or a program that should have it cannot be used.
    """
    for path in _files(environ):
        config = _read(path)
        found = _in_config(config, reference, path, environ) if config is not None else None
        if found is not None:
            return found
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    home = environ.get("HOME") or os.path.expanduser("~")
    yield Path(environ.get("DOCKER_CONFIG") or Path(home, ".docker"), "config.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise ImageDenied(f"the file of logins {str(path)!r} cannot be read: {error}") from None
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise ImageDenied(f"the file of logins {str(path)!r} is not JSON: {error}") from None
    return found if isinstance(found, dict) else None


def _in_config(
    config: Mapping[str, Any], reference: Reference, path: Path, environ: Mapping[str, str]
) -> Login | None:
    hosts = _HUB_NAMES if reference.registry == DOCKER_HUB else (reference.registry,)
    helpers = config.get("credHelpers")
    for host in hosts:
        helper = helpers.get(host) if isinstance(helpers, dict) else None
        if helper:
            return _ask_helper(str(helper), host, environ)
    auths = config.get("auths")
    for key in _keys(reference):
        entry = _entry(auths, key) if isinstance(auths, dict) else None
        login = _from_entry(entry, str(path)) if entry else None
        if login is not None:
            return login
    if store := config.get("credsStore"):
        key = _HUB_KEY if reference.registry == DOCKER_HUB else reference.registry
        return _ask_helper(str(store), key, environ)
    return None


def _keys(reference: Reference) -> Iterator[str]:
    """Keys that an entry may have, the most special first: podman has them for repositories."""
    hosts = _HUB_NAMES if reference.registry == DOCKER_HUB else (reference.registry,)
    parts = reference.repository.split("/")
    for length in range(len(parts), -1, -1):
        for host in hosts:
            yield "/".join([host, *parts[:length]])
    if reference.registry == DOCKER_HUB:
        yield "index.docker.io/v1"


def _entry(auths: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    for name, entry in auths.items():
        bare = name.partition("://")[2] or name
        if bare.rstrip("/") == key and isinstance(entry, dict):
            return entry
    return None


def _from_entry(entry: Mapping[str, Any], source: str) -> Login | None:
    token = entry.get("identitytoken")
    username, password = entry.get("username"), entry.get("password")
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        try:
            text = base64.b64decode(entry["auth"], validate=False).decode().rstrip("\0")
        except ValueError:
            raise ImageDenied(f"{source!r} has a login that is not base64") from None
        username, _, password = text.partition(":")
    if isinstance(token, str) and token:
        return Login(str(username or ""), identity_token=token, source=source)
    if isinstance(username, str) and isinstance(password, str) and username:
        return Login(username, password, source=source)
    return None


def _ask_helper(name: str, key: str, environ: Mapping[str, str]) -> Login | None:
    """What the program `docker-credential-NAME` has for a registry."""
    program = f"docker-credential-{name}"
    if not _HELPER.fullmatch(name):
        raise ImageDenied(f"{shown(program)!r} is not the name of a program")
    try:
        done = subprocess.run(
            [program, "get"],
            input=key.encode(),
            capture_output=True,
            timeout=_HELPER_TIMEOUT,
            check=False,
            env=dict(environ),
        )
    except FileNotFoundError:
        raise ImageDenied(
            f"the configuration of Docker names the program {program}, which is not installed"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageDenied(f"{program} failed for {key}: {error}") from None
    if done.returncode:
        said = done.stdout + done.stderr
        if _NOT_FOUND.search(said):
            return None
        text = shown(said.decode("utf-8", "replace").strip())
        raise ImageDenied(f"{program} failed for {key}: {text}")
    try:
        found = json.loads(done.stdout)
        username, secret = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ImageDenied(f"{program} gave something else than a login for {key}") from None
    if username == _IDENTITY:
        return Login(identity_token=secret, source=program)
    return Login(username, secret, source=program) if username else None
