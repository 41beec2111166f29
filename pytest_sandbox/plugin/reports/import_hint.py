"""A hint for a command that failed to import a module which only this machine has."""

from __future__ import annotations

import importlib.util
import os
import re
import sysconfig
from typing import TYPE_CHECKING

from .report import failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse

_MISSING = re.compile(rb"ModuleNotFoundError: No module named '([^'.\n]+)[^'\n]*'")
#: Where the sources of a project usually are, in its directory.
_SOURCE_FOLDERS = ("", "src", "lib", "python")


def import_hint(
    descriptions: Iterable[InspectorDescribeResponse], rootdir: Path
) -> Iterator[tuple[str, str]]:
    """A section for each module that a failed command did not find, and that is found outside.

    Args:
        descriptions: of the sandboxes of a test.
        rootdir: pytest's.
    """
    names = {
        match.decode(errors="replace")
        for description in descriptions
        for command in description.commands
        if failed(command)
        for output in (command.stderr_tail, command.stdout_tail)
        for match in _MISSING.findall(output)
    }
    for name in sorted(names):
        if text := _hint(name, rootdir):
            yield f"hint for module {name!r}", text


def _hint(name: str, rootdir: Path) -> str:
    place = _in_rootdir(name, rootdir) or _imported_from(name)
    if not place or _is_in_environment(place):
        return ""
    if not f"{place}/".startswith(f"{rootdir}/"):
        return (
            f"Tests import {name} from {place}, which sandboxes do not show. They show what is "
            "installed in the Python environment, as editable too (pip install -e DIRECTORY)."
        )
    return (
        f"{name} is in {place}, which sandboxes do not show. Install the project as editable (pip "
        "install -e .), or show it: @pytest.mark.sandbox(project=True), or sandbox_project = true "
        f"in the ini file, and PYTHONPATH={os.path.dirname(place)} in env if it is not installed."
    )


def _in_rootdir(name: str, rootdir: Path) -> str:
    if not name.isidentifier():
        return ""
    for folder in _SOURCE_FOLDERS:
        for path in (rootdir / folder / name, rootdir / folder / f"{name}.py"):
            if path.exists():
                return str(path)
    return ""


def _imported_from(name: str) -> str:
    """The path that an import of a top-level module here would find; nothing is imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return ""
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return os.path.abspath(next(iter(spec.submodule_search_locations)))
    return os.path.abspath(spec.origin) if spec.origin and spec.has_location else ""


def _is_in_environment(path: str) -> bool:
    folders = {sysconfig.get_path(each) for each in ("purelib", "platlib", "stdlib", "platstdlib")}
    return any(path.startswith(f"{folder}/") for folder in folders)
