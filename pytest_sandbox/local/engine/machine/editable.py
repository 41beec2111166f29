"""What packages that are installed as editable are imported from, outside the environment.

Each build backend leaves a trace in the environment's site-packages:

- a `.pth` file that names a directory (hatchling, poetry-core, pdm-backend, flit-core, uv_build,
  maturin, and setuptools for a `src` layout, in its strict mode, and before version 64);
- a module that maps names to paths (setuptools' `__editable___NAME_finder`, and
  `_editable_impl_NAME` of the package `editables`, for hatchling and pdm-backend);
- a symbolic link (flit's `install --symlink`);
- a file `NAME.egg-link` (setuptools' `develop`).
"""

from __future__ import annotations

import ast
import json
import os
import re
import sysconfig
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .host_folder import is_below

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A directory with one of these is a whole project, of which only the packages are shown.
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg", ".svn")
#: Modules that people keep beside their packages, and that no program imports.
_TOOLS = frozenset({"setup.py", "conftest.py", "noxfile.py", "fabfile.py", "dodo.py"})
#: How `editables` writes its modules: `F.map_module('name', '/path/name/__init__.py')`.
_MAP_MODULE = re.compile(r"""\bmap_module\(\s*('[^'\n]*'|"[^"\n]*")\s*,\s*('[^'\n]*'|"[^"\n]*")""")
_SUFFIXES = (".py", *filter(None, [sysconfig.get_config_var("EXT_SUFFIX")]), ".abi3.so", ".so")


@dataclass
class EditableSources:
    """What is to be shown.

    Attributes:
        folders: directories, as the environment names them.
        files: modules that are single files.
        unknown: directories of projects installed as editable in a way that is not known.
    """

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Add a package's directory, or a module."""
        if os.path.isdir(path):
            self.folders.append(path)
        elif os.path.isfile(path):
            self.files.append(path)


def editable_sources(site_folders: list[str]) -> EditableSources:
    """Find them.

    Args:
        site_folders: where packages are installed.
    """
    sources = EditableSources()
    projects: list[str] = []
    for site in dict.fromkeys(site_folders):
        try:
            names = sorted(os.listdir(site))
        except OSError:
            continue
        for name in names:
            path = f"{site}/{name}"
            if name.endswith(".dist-info"):
                projects += _editable_project(path)
            elif name.endswith((".pth", ".egg-link")):
                _add_directories(sources, site, path)
            elif name.startswith("__editable___") and name.endswith("_finder.py"):
                _add_mapped(sources, _setuptools_mapping(path))
            elif name.startswith("_editable_impl_") and name.endswith(".py"):
                _add_mapped(sources, _editables_mapping(path))
            elif os.path.islink(path) and not is_below(os.path.realpath(path), site):
                sources.add(os.path.normpath(os.path.join(site, os.readlink(path))))
    found = [os.path.realpath(path) for path in (*sources.folders, *sources.files)]
    sources.unknown = [
        project
        for project in projects
        if not any(is_below(path, os.path.realpath(project)) for path in found)
    ]
    return sources


def _editable_project(info: str) -> Iterator[str]:
    """The directory of the project, if it is installed as editable: PEP 610."""
    try:
        origin = json.loads(_text(f"{info}/direct_url.json") or "{}")
        if origin["dir_info"]["editable"] is True:
            yield unquote(urlsplit(origin["url"]).path)
    except (ValueError, KeyError, TypeError):
        return


def _add_directories(sources: EditableSources, site: str, file: str) -> None:
    """Add what is below the directories that a `.pth` file puts on `sys.path`: site(3)."""
    lines = _text(file).splitlines()
    # The second line of an egg-link leads from there to the project's setup.py.
    for line in lines[:1] if file.endswith(".egg-link") else lines:
        line = line.strip()
        if line and not line.startswith(("#", "import ", "import\t")):
            folder = os.path.normpath(os.path.join(site, line))
            if os.path.isdir(folder) and not is_below(folder, site):
                _add_directory(sources, folder)


def _add_directory(sources: EditableSources, folder: str) -> None:
    """Add what can be imported from a directory on `sys.path`."""
    if any(os.path.lexists(f"{folder}/{name}") for name in _PROJECT_FILES):
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            if name.endswith(".egg-info"):
                sources.files += [f"{path}/{each}" for each in _names(path)]
            elif os.path.isdir(path):
                if os.path.exists(f"{path}/__init__.py") or _is_namespace(path):
                    sources.add(path)
            elif name.endswith(_SUFFIXES) and name not in _TOOLS:
                sources.add(path)
        return
    sources.add(folder)
    if not os.path.basename(folder).startswith("__editable__."):
        return
    # setuptools' strict mode made that directory, of links to all modules of the package. No other
    # link is followed: it may lead to anything.
    for link in _links(folder):
        target, relative = os.path.realpath(link), os.path.relpath(link, folder)
        top = target.removesuffix(f"/{relative}")
        package = relative.partition("/")[0]
        sources.add(target if top == target else f"{top}/{package}")


def _is_namespace(folder: str) -> bool:
    """Whether a directory has packages and is none itself, and has no other files: PEP 420."""
    names = _names(folder)
    if not names or os.path.basename(folder).startswith("."):
        return False
    return all(
        name == "__pycache__" or os.path.exists(f"{folder}/{name}/__init__.py") for name in names
    )


def _add_mapped(sources: EditableSources, mapping: dict[str, str]) -> None:
    for path in mapping.values():
        if path.endswith("/__init__.py"):
            path = os.path.dirname(path)
        candidates = [path, *(path.removesuffix(".py") + suffix for suffix in _SUFFIXES)]
        for found in filter(os.path.exists, candidates):
            sources.add(found)
            break


def _setuptools_mapping(file: str) -> dict[str, str]:
    """The constant `MAPPING` of a finder."""
    try:
        for node in ast.parse(_text(file)).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                if isinstance(target, ast.Name) and target.id == "MAPPING":
                    mapping = ast.literal_eval(node.value)
                    return {str(name): str(path) for name, path in mapping.items()}
    except (SyntaxError, ValueError, AttributeError):
        pass
    return {}


def _editables_mapping(file: str) -> dict[str, str]:
    found = _MAP_MODULE.findall(_text(file))
    return {ast.literal_eval(name): ast.literal_eval(path) for name, path in found}


def _links(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        yield from (f"{parent}/{each}" for each in (*folders, *names) if _is_link(parent, each))


def _is_link(folder: str, name: str) -> bool:
    return os.path.islink(f"{folder}/{name}")


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except OSError:
        return ""
