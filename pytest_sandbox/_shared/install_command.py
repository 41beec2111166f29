"""The command that installs an extra of this package, wherever the package came from."""

import json
import shlex
from urllib.parse import unquote, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "pytest-sandbox"


def install_command(extra: str) -> str:
    """What to type to install an extra: `pip install 'pytest-sandbox[serve]'`.

    The name alone means the package index. What was installed from elsewhere, such as a checkout,
    is named by its address, which pip recorded in `direct_url.json`:
    https://packaging.python.org/en/latest/specifications/direct-url/

    Args:
        extra: its name, a key of `optional-dependencies` in `pyproject.toml`.
    """
    try:
        return _from_address(json.loads(_recorded() or "null"), extra)
    except (ValueError, TypeError, KeyError):
        return _pip(f"{_NAME}[{extra}]")  # damaged, so nothing says where it came from


def _recorded() -> "str | None":
    """The record of the installation; a checkout on the path has metadata too, without one."""
    # Imported here, as it imports `email` and `zipfile`, and an engine seldom needs it.
    import importlib.metadata

    found = importlib.metadata.distributions(name=_NAME)
    return next(filter(None, (each.read_text("direct_url.json") for each in found)), None)


def _from_address(origin: "dict[str, Any] | None", extra: str) -> str:
    if origin is None:
        return _pip(f"{_NAME}[{extra}]")
    url = urlsplit(origin["url"])
    if url.scheme == "file" and "dir_info" in origin:
        editable = ("-e",) if origin["dir_info"].get("editable") else ()
        return _pip(*editable, f"{unquote(url.path)}[{extra}]")
    address = origin["url"]
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        address = f"{vcs['vcs']}+{address}@{vcs['commit_id']}"
    return _pip(f"{_NAME}[{extra}] @ {address}")


def _pip(*arguments: str) -> str:
    return f"pip install {shlex.join(arguments)}"
