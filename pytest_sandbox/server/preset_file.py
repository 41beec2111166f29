"""Presets of a server: what Modal's clients find by name, from a file in TOML.

    [secrets.openai]
    OPENAI_API_KEY = "sk-test"

    [volumes.models]
    folder = "fixtures/models"

    [proxies.egress]
    addresses = ["192.0.2.1"]

    [environments.staging.secrets.openai]
    OPENAI_API_KEY = "sk-staging"

What is not below an environment belongs to the default one.
"""

import ipaddress
import os
import sys
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.suggestions import did_you_mean

_KINDS = ("secrets", "volumes", "proxies")


@dataclass(frozen=True)
class EnvironmentPresets:
    """What an environment has.

    Attributes:
        secrets: variables by the name of the secret.
        volumes: by name, the folder whose files each gets; empty for no files.
        proxies: by name, the addresses that each says it has.
    """

    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    proxies: dict[str, list[str]] = field(default_factory=dict)


def read_presets(path: str | os.PathLike[str]) -> dict[str, EnvironmentPresets]:
    """Read a file; what each environment has, by its name; the name of the default one is empty.

    Raises:
        ValueError: it cannot be read, or says something else; the message says where.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # which pytest needs there
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"{os.fspath(path)!r}: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:  # tomllib's is one, and so is that of bytes that are no UTF-8
        raise ValueError(f"{os.fspath(path)!r}: {error}") from None
    try:
        return _presets(content, os.path.dirname(os.path.abspath(path)))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r}: {error}") from None


def _presets(content: dict[str, Any], folder: str) -> dict[str, EnvironmentPresets]:
    environments = _table(content.pop("environments", {}), "environments")
    found = {"": _environment(content, "", folder, (*_KINDS, "environments"))}
    for name, table in environments.items():
        place = f"environments.{name}"
        found[name] = _environment(_table(table, place), f"{place}.", folder, _KINDS)
    return found


def _environment(
    table: dict[str, Any], place: str, folder: str, known: tuple[str, ...]
) -> EnvironmentPresets:
    for key in table:
        if key not in known:
            there_are = did_you_mean(key, known) or f"there are {', '.join(known)}"
            raise ValueError(f"{place}{key}: there is no such table; {there_are}")
    presets = EnvironmentPresets()
    for name, secret in _tables(table, place, "secrets"):
        presets.secrets[name] = {
            key: _text(value, f"{place}secrets.{name}.{key}") for key, value in secret.items()
        }
    for name, volume in _tables(table, place, "volumes"):
        where = f"{place}volumes.{name}"
        _only(volume, "folder", where)
        presets.volumes[name] = ""
        if "folder" in volume:
            source = os.path.join(folder, _text(volume["folder"], f"{where}.folder"))
            if not os.path.isdir(source):
                raise ValueError(f"{where}.folder: {source!r} is no directory")
            presets.volumes[name] = source
    for name, proxy in _tables(table, place, "proxies"):
        where = f"{place}proxies.{name}"
        _only(proxy, "addresses", where)
        presets.proxies[name] = _addresses(proxy.get("addresses", []), f"{where}.addresses")
    return presets


def _addresses(value: object, place: str) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{place} must be a list of addresses, not {value!r}")
    return [_address(each, place) for each in value]


def _address(value: object, place: str) -> str:
    text = _text(value, place)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{place}: {text!r} is no address") from None
    return text


def _tables(table: dict[str, Any], place: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in _table(table.get(kind, {}), f"{place}{kind}").items():
        yield name, _table(each, f"{place}{kind}.{name}")


def _table(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place} must be a table, not {value!r}")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{place} must be a string, not {type(value).__name__}")
    return value


def _only(table: dict[str, Any], key: str, place: str) -> None:
    for other in table:
        if other != key:
            raise ValueError(f"{place}.{other}: there is only {key!r}")
