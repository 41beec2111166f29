"""The shape of the package: which way imports flow, how broad folders and long modules get."""

import ast
import functools
import importlib
import os
import re
import sys
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
LONGEST = 450
#: Modules of a folder, besides its `__init__`, that one can still scan.
BROADEST = 25
#: Where the standard library is all there is.
BARE = (
    "_shared",
    "local.agent",
    "local.criu",
    "local.filesystem",
    "local.gateway",
    "local.kernel",
    "local.protocol",
    "local.zygote",
    "processes.keeper",
)
#: Parts whose modules any other part may import: generated, or made for all.
OFFERED_WHOLE = {"_proto", "_shared"}
#: Modules, of parts that offer what their `__init__` lists, which are offered besides.
OFFERED = {
    "client.exceptions",
    "client.transport",  # for a server in the same process
    "client.transport.dual",  # the functions of these names, which are offered
    "client.transport.portal",
    "engine.conformance",
    "images.archive",  # which need more of the standard library than the types
    "images.digests",
    "images.reference",
    "images.registry",
    "local.ahead",  # which must not import the engine
    # An agent, the engine's end of it, and the kernel: the engine of processes has them too.
    *("local.agent.main", "local.agent.ports"),
    *("local.engine.links.bare_python", "local.zygote.id_ranges"),
    *(f"local.agents.{each.stem}" for each in ROOT.glob("local/agents/*.py")),
    *(f"local.kernel.{each.stem}" for each in ROOT.glob("local/kernel/*.py")),
    *(f"local.protocol.{each.stem}" for each in ROOT.glob("local/protocol/*.py")),
    # Under the names that they have at Modal.
    *(f"client.modal_modules.{each.stem}" for each in ROOT.glob("client/modal_modules/*.py")),
}
#: What each part may import of the others: `plugin -> client -> _proto <- server -> engine`.
MAY_IMPORT = {
    "_http2": set(),
    "_proto": set(),
    "_shared": set(),  # which every part may import
    "_run": set(),
    "engine": {"images"},  # the layers of an image
    "engines": {"engine", "local", "fakes", "cluster", "processes", "remote"},
    "gpus": set(),
    "images": set(),
    "local": {"engine", "gpus", "images"},
    "fakes": {"engine"},
    "processes": {"engine", "local"},
    "rpcs": {"_proto"},
    "cloud": {"engine", "server", "_proto", "rpcs"},
    "strategies": {"engine", "rpcs"},
    "server": {"engine", "images", "_http2", "_proto", "rpcs"},
    "server.__main__": {"local"},  # which starts before all else
    "server.process": {"engine", "engines"},  # where a server meets its engine
    "client": {"_http2", "_proto", "_run", "rpcs"},
    "cluster": {"engine", "images", "remote"},
    # HTTP/2 as client and server of this machine speak it, between two machines.
    "remote": {"_http2", "client", "server", "engine", "images", "gpus", "_proto", "rpcs"},
    "inmemory": {"client", "server", "engine", "fakes", "rpcs", "_proto", "_run"},
    "plugin": {
        "client",
        "_proto",
        "_run",
        "gpus",
        "remote",
        "rpcs",
        "inmemory",
    },  # _proto for the inspector, which is ours alone
    "cli": {
        "_run",
        "client",
        "cloud",
        "cluster",
        "engine",
        "engines",
        "fakes",
        "gpus",
        "images",
        "inmemory",
        "local",
        "processes",
        "remote",
    },
    "": {"client", "plugin", "rpcs"},  # the package itself: the public names, re-exported
}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


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
        return parsed(self.path)


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


def own_imports(module: Module) -> set[str]:
    """The modules of ours that a module imports, those for a type checker only included."""
    names = {name for _, name in imported(module)}
    return {
        found for name in names if (found := name if name in NAMES else name.rpartition(".")[0])
    } - {module.name}


def outside_imports(module: Module) -> Iterator[str]:
    """The packages of others that a module imports."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def circles_of(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules of which each reaches each other one, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in graph.get(name, ()):
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            start = stack.index(name)
            if len(stack) - start > 1:
                circles.append(set(stack[start:]))
            del stack[start:]

    for name in graph:
        if name not in order:
            visit(name)
    return circles


def is_private(name: str) -> bool:
    """Whether a module is one of its folder only; the parts `_proto` and `_shared` are not."""
    return any(step.startswith("_") for step in name.split(".")[1:])


def is_bare(name: str) -> bool:
    """Whether a module has nothing but the standard library."""
    return f"{name}.".startswith(tuple(f"{each}." for each in BARE))


def in_one_folder(user: str, name: str) -> bool:
    """Whether a module lies in the folder of a private one, or in a folder of that."""
    folder = name.rpartition("._")[0]
    return user == folder or user.startswith(f"{folder}.")


NAMES = {module.name for module in MODULES}
IMPORTS = {module.name: own_imports(module) for module in MODULES}
FOLDERS = sorted({module.path.parent for module in WRITTEN} - {ROOT / "_proto"})


def test_imports_flow_one_way() -> None:
    against = [
        f"{module.path}:{line}: {module.part or NAME} may not import {name}"
        for module in MODULES
        for line, name in imported(module)
        if (target := name.partition(".")[0]) != module.part.partition(".")[0]
        and target in MAY_IMPORT
        and target not in MAY_IMPORT[module.part] | {"_shared"}
    ]
    assert against == [], "\n".join(against)


def test_every_part_has_its_place() -> None:
    assert {module.part for module in MODULES} <= MAY_IMPORT.keys()


def test_an_engine_knows_no_grpc_and_no_pytest() -> None:
    found = [
        f"{module.path}: imports {name}"
        for module in MODULES
        if module.part in ("engine", "local", "fakes", "processes")
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


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_can_be_scanned(folder: Path) -> None:
    modules = [module.path.name for module in MODULES if module.path.parent == folder]

    assert len(modules) - 1 <= BROADEST, f"{folder}: {len(modules)} modules: give some a folder"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_says_what_is_in_it(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_bytes())) or ""

    assert docstring.partition("\n")[0].endswith("."), f"{folder}: the docstring is no sentence"


def test_no_circles_of_imports() -> None:
    """Imports that only a type checker sees count."""
    assert [sorted(circle) for circle in circles_of(IMPORTS)] == []


def test_a_private_module_stays_in_its_folder() -> None:
    reaches = [
        f"{module.path} reaches into {name}"
        for module in MODULES
        for name in sorted(IMPORTS[module.name])
        if is_private(name) and not in_one_folder(module.name, name)
    ]

    assert sorted(set(reaches)) == [], "\n".join(reaches)


def test_a_part_is_used_by_what_it_offers() -> None:
    """Another part imports a part itself, or one of its modules that are offered."""
    reaches = [
        f"{module.path} imports {name}"
        for module in MODULES
        for name in sorted(IMPORTS[module.name])
        if (part := name.partition(".")[0]) != module.name.partition(".")[0]
        and name != part
        and part not in OFFERED_WHOLE
        and name not in OFFERED
    ]

    assert reaches == [], "\n".join(reaches)


def test_below_the_engine_there_is_only_the_standard_library() -> None:
    """The zygote starts a bare Python; what it imports, each of its sandboxes carries along."""
    found = [
        f"{module.path} imports {name}"
        for module in MODULES
        if is_bare(module.name)
        for name in outside_imports(module)
        # typing_extensions: for type checkers alone, which have it. certifi: if it is there, and
        # only where a connection to Modal is made, so in no sandbox.
        if name not in {*sys.stdlib_module_names, NAME, "typing_extensions", "certifi"}
    ]
    found += [
        f"{module.path} imports {name}"
        for module in MODULES
        if is_bare(module.name)
        for name in IMPORTS[module.name]
        if not is_bare(name)
    ]

    assert found == [], "\n".join(found)


def test_modules_are_imported_by_import_statements() -> None:
    """A string would hide an import from readers and from the tests above.

    Only an `__init__.py` may: it imports what it offers when that is first asked for.
    """
    found = [
        str(module.path)
        for module in WRITTEN
        if module.path.name != "__init__.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__")
        and not (
            isinstance(node.args[0], ast.Constant)
            and str(node.args[0].value).partition(".")[0] in ("ray", "trustme")
        )
    ]

    assert found == []


def twice() -> set[str]:
    """The names of classes that more than one module defines."""
    found: list[tuple[str, str]] = [
        (node.name, module.name)
        for module in WRITTEN
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]
    names = [name for name, _ in set(found)]
    return {name for name in names if names.count(name) > 1}


def test_a_class_name_is_used_once() -> None:
    assert twice() == set()


def folder_of(name: str) -> str:
    """The folder of a module, as in `local/engine`; empty for the package itself."""
    path = name if (ROOT / name.replace(".", "/")).is_dir() else name.rpartition(".")[0]
    return path.replace(".", "/")


def folders_table() -> str:
    """Each folder, its modules, and the folders that it imports from."""
    rows = []
    for folder in sorted({folder_of(module.name) for module in WRITTEN} - {"", "_proto"}):
        inside = [module.name for module in MODULES if folder_of(module.name) == folder]
        package = folder.replace("/", ".")
        names = sorted(name.rpartition(".")[2] for name in inside if name != package)
        targets = sorted({folder_of(to) for name in inside for to in IMPORTS[name]} - {folder, ""})
        cells = (f"`{folder}`", " ".join(names), " ".join(f"`{target}`" for target in targets))
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(["| folder | its modules | imports from |", "|---|---|---|", *rows]) + "\n"


def test_the_design_has_the_folders_and_their_imports() -> None:
    design = (Path(__file__).parents[2] / "docs" / "design.md").read_text()

    assert folders_table() in design, f"docs/design.md needs this table:\n{folders_table()}"


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.name or NAME)
def test_what_is_public_is_listed(module: Module) -> None:
    """A package says all that it offers in `__all__`, once; ruff keeps the order."""
    package = importlib.import_module(f"{NAME}.{module.name}".rstrip("."))
    offered = {
        alias.asname
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        # Modules of Modal's client, for programs that name them: no test imports all of them by *.
        if alias.asname == alias.name and node.module != "client.modal_modules"
    }
    listed = list(getattr(package, "__all__", ()))
    assert len(listed) == len(set(listed))
    assert offered <= set(listed), f"offered and not listed: {sorted(offered - set(listed))}"
    assert [name for name in listed if not hasattr(package, name)] == []


def test_the_wheel_has_every_folder() -> None:
    text = (ROOT.parent / "pyproject.toml").read_text()
    listed = re.search(r"^packages = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    folders = {
        os.path.relpath(folder, ROOT.parent).replace("/", ".")
        for folder, _, files in os.walk(ROOT, followlinks=True)
        if any(name.endswith(".py") for name in files)
    }
    assert listed is not None
    assert set(re.findall(r'"([^"]+)"', listed[1])) == folders


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()
