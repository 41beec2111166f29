"""The shape of the package: which way imports flow, how long modules get, what is public."""

import ast
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pytest_sandbox

# Before any run of pytest inside of this one, which would forget what it was the first to import.
import pytest_sandbox.inmemory

ROOT = Path(pytest_sandbox.__path__[0])
NAME = pytest_sandbox.__name__
#: Lines of a module, above which it is more than one concept.
LONGEST = 600

#: What each part may import of the others: `plugin -> client -> _proto <- server -> engine`.
MAY_IMPORT = {
    "_proto": set(),
    "_run": set(),
    "_idle": set(),
    "engine": set(),
    "engines": {"engine", "local", "fakes"},
    "local": {"engine"},
    "fakes": {"engine", "_idle"},
    "rpcs": {"_proto"},
    "strategies": {"engine", "rpcs"},
    "server": {"engine", "_proto", "rpcs"},
    "server.__main__": {
        "engine",
        "engines",
        "_proto",
        "local",
        "_run",
        "rpcs",
    },  # where a server meets its engine
    "client": {"_proto", "_run", "_idle", "rpcs"},
    "inmemory": {"client", "server", "engine", "fakes", "rpcs", "_proto"},
    "plugin": {
        "client",
        "_proto",
        "_run",
        "rpcs",
        "inmemory",
    },  # _proto for the inspector, which is ours alone
    "cli": {
        "_proto",
        "_run",
        "engine",
        "local",
        "fakes",
        "server",
        "client",
        "plugin",
        "rpcs",
        "inmemory",
    },
    "": {"client", "plugin", "rpcs"},  # the package itself: the public names, re-exported
}


@dataclass(frozen=True)
class Module:
    """A module of the package: its name below the package, and its file."""

    name: str
    path: Path

    @property
    def part(self) -> str:
        return self.name if self.name in MAY_IMPORT else self.name.partition(".")[0]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_bytes())


def modules() -> Iterator[Module]:
    for folder, subfolders, files in os.walk(ROOT, followlinks=True):
        subfolders[:] = sorted(set(subfolders) - {"__pycache__"})
        for file in sorted(files):
            if file.endswith(".py"):
                path = Path(folder, file)
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield Module(".".join(p for p in parts if p != "__init__"), path)


MODULES = list(modules())
WRITTEN = [module for module in MODULES if not module.path.match("_proto/*_*.py")]
PUBLIC = [
    module
    for module in MODULES
    if module.path.name == "__init__.py" and "._" not in f".{module.name}"
]


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """Line and name below the package of everything of ours that a module imports."""
    package = f"{NAME}.{module.name}".rstrip(".").split(".")
    if module.path.name != "__init__.py":
        package.pop()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [
                ".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names
            ]
        else:
            continue
        for name in names:
            if name.startswith(f"{NAME}."):
                yield node.lineno, name.removeprefix(f"{NAME}.")


def test_imports_flow_one_way() -> None:
    against = [
        f"{module.path}:{line}: {module.part or NAME} may not import {name}"
        for module in MODULES
        for line, name in imported(module)
        if (target := name.partition(".")[0]) != module.part.partition(".")[0]
        and target in MAY_IMPORT
        and target not in MAY_IMPORT[module.part]
    ]
    assert against == [], "\n".join(against)


def test_every_part_has_its_place() -> None:
    assert {module.part for module in MODULES} <= MAY_IMPORT.keys()


def test_an_engine_knows_no_grpc_and_no_pytest() -> None:
    found = [
        f"{module.path}: imports {name}"
        for module in MODULES
        if module.part in ("engine", "local", "fakes")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        + [alias.name for alias in node.names]
        if name.partition(".")[0] in ("grpclib", "google", "pytest")
    ]
    assert found == [], "\n".join(found)


def test_a_module_is_one_concept() -> None:
    lengths = {module.path: len(module.path.read_text().splitlines()) for module in WRITTEN}
    too_long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > LONGEST]
    assert too_long == [], "\n".join(too_long)


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.name or NAME)
def test_what_is_public_is_listed(module: Module) -> None:
    """A package says all that it offers in `__all__`, once; ruff keeps the order."""
    package = importlib.import_module(f"{NAME}.{module.name}".rstrip("."))
    offered = {
        alias.asname
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    listed = list(getattr(package, "__all__", ()))
    assert len(listed) == len(set(listed))
    assert offered <= set(listed), f"offered and not listed: {sorted(offered - set(listed))}"
    assert [name for name in listed if not hasattr(package, name)] == []


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()
