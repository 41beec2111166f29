"""Names of images: `alpine:3.21`, `ghcr.io/owner/name:tag`, `localhost:5000/a/b@sha256:...`.

The grammar is that of the distribution project, which Docker and podman use. A name without a
registry is one of Docker Hub, and there one without a slash is in `library/`.
"""

import re
from dataclasses import replace

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .digests import is_digest
from .errors import InvalidReference, shown

DOCKER_HUB = "docker.io"
_HUB_HOSTS = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
#: Characters of registry and repository together that the distribution project allows.
_LONGEST_NAME = 255
#: With a tag of 128 characters and a digest. More is not even looked at.
_LONGEST = _LONGEST_NAME + 1 + 128 + 1 + 71

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(
    rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_REPOSITORY = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
#: What is before the host, and may be a login; what is before a digest is not.
_LOGIN = re.compile(r".*@(?!sha256:[^@]*\Z)", re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """The name of an image in a registry.

    Attributes:
        registry: host and port: `docker.io`, `localhost:5000`.
        repository: `library/alpine`.
        tag: `3.21`; empty if only a digest is given.
        digest: `sha256:...`; empty if there is none. It decides if both are given.
    """

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository, the shortest that means the same: `alpine`."""
        if self.registry != DOCKER_HUB:
            return f"{self.registry}/{self.repository}"
        short = self.repository.removeprefix("library/")
        return short if "/" not in short else self.repository

    @property
    def version(self) -> str:
        """What a registry is asked for: the digest, or else the tag."""
        return self.digest or self.tag

    def pinned(self, digest: str) -> "Reference":
        """The same name with a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_reference(text: str) -> Reference:
    """Read the name of an image.

    Args:
        text: as after `FROM`, or `docker pull`.

    Raises:
        InvalidReference: the message has the text, and what is wrong with it.
    """
    if len(text) > _LONGEST:
        raise InvalidReference(f"a name of {len(text)} characters is too long for an image")
    if "://" in text:
        raise InvalidReference(
            f"{_without_login(text)!r} is an address, not the name of an image: leave out what "
            "is before the host"
        )
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, "a digest is sha256: and 64 hexadecimal digits in lower case")
    registry, rest = _split_registry(rest)
    repository, colon, tag = rest.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    reference = Reference(registry, repository, tag or ("" if at else "latest"), digest)
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, "a tag has letters, digits, '_', '.' and '-', at most 128 of them")
    if problem := _problem(reference):
        raise _invalid(text, problem)
    return reference


def _problem(reference: Reference) -> str:
    """What is wrong with the registry or the repository; empty if nothing is."""
    match = _REGISTRY.fullmatch(reference.registry)
    if match is None:
        return f"{shown(reference.registry)!r} is not a host"
    if int(match["port"] or 1) not in range(1, 65536):
        return f"there is no port {match['port']}"
    if not _REPOSITORY.fullmatch(reference.repository):
        return "its parts are lower case letters and digits, with '.', '_' or '-' between them"
    if len(f"{reference.registry}/{reference.repository}") > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} characters"
    return ""


def _split_registry(text: str) -> tuple[str, str]:
    """The first part is a registry if it cannot be one of a repository, as Docker decides it."""
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or set(".:[]") & set(first) or first != first.lower()):
        return (DOCKER_HUB if first in _HUB_HOSTS else first), rest
    return DOCKER_HUB, text


def _without_login(text: str) -> str:
    """A text for a message, without the user and the password that it may have."""
    return shown(_LOGIN.sub("...@", text, count=1))


def _invalid(text: str, reason: str) -> InvalidReference:
    return InvalidReference(f"{_without_login(text)!r} is not the name of an image: {reason}")
