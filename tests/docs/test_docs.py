"""What the documents show is true: their code runs, their links lead somewhere.

The blocks of code under one heading are the files of one small project:

    ```python                  a test file, run by pytest
    ```python conftest.py      any other file, by its name
    ```ini pytest.ini
    ```sh run                  a shell script, run beside them, that must succeed
    ```python modal/test.py    a test file for an environment with `modal`: see tests/modal_clients

Blocks of other kinds (`sh`, `text`, `yaml`, ...) are for the reader only.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "tests/*.md")
    for path in sorted(ROOT.glob(pattern))
]
BLOCK = re.compile(
    r"^(?:(?P<heading>\#+)\ +(?P<title>.+?)"
    r"|```(?P<kind>\w+)?(?:\ (?P<name>\S+))?\n(?P<body>.*?)^```)$",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
#: Plugins that take half of the time of a run, by name; and a word without which a document does
#: not show them.
PLUGINS = {
    "anyio": "anyio",
    "fakefs": "fs",
    "hypothesispytest": "hypothesis",
    "socket": "disable_socket",
    "time_machine": "time_machine",
}
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")

pytestmark = pytest.mark.timeout(300)


@dataclass
class Project:
    """The code under one heading.

    Attributes:
        document: its path in the repository.
        title: the heading; empty above the first one.
        files: name to content.
        scripts: shell scripts to run.
    """

    document: str
    title: str
    files: dict[str, str] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)

    @property
    def tests(self) -> bool:
        return any(re.fullmatch(r"test_.*\.py", name) for name in self.files)

    @property
    def plain(self) -> bool:
        """Whether it is tests and nothing else."""
        return not self.scripts and all(re.fullmatch(r"test_\d+\.py", name) for name in self.files)

    def add(self, kind: str, name: str, body: str) -> None:
        if (kind, name) == ("sh", "run"):
            self.scripts.append(body)
        elif name.startswith("modal/"):
            pass
        elif name:
            self.files[name] = body
        elif kind == "python":
            self.files[f"test_{len(self.files)}.py"] = body


def projects(document: Path) -> Iterator[Project]:
    path = document.relative_to(ROOT).as_posix()
    project = Project(path, "")
    for found in BLOCK.finditer(document.read_text()):
        if found["heading"]:
            yield project
            project = Project(path, found["title"])
        else:
            project.add(found["kind"] or "", found["name"] or "", found["body"])
    yield project


PROJECTS = [
    project
    for document in DOCUMENTS
    for project in projects(document)
    if project.tests or project.scripts
]


def run(command: list[str], folder: Path) -> None:
    text = "".join(file.read_text() for file in folder.iterdir() if file.is_file())
    unused = [name for name, word in PLUGINS.items() if not re.search(rf"\b{word}\b", text)]
    options = " ".join(f"-p no:{name}" for name in unused)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = folder / "cache"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "XDG_CACHE_HOME": str(cache), "PYTEST_ADDOPTS": options},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}", pytrace=False)


def run_pytest(folder: Path) -> None:
    run([sys.executable, "-m", "pytest", "--rootdir", str(folder)], folder)


def group(project: Project) -> str:
    """The folder of the document, as each has few tests, and a run of pytest is the slow part."""
    return project.document.rpartition("/")[0] or project.document


@pytest.mark.parametrize(
    "documents", sorted({group(project) for project in PROJECTS if project.plain})
)
def test_the_tests_pass(documents: str, tmp_path: Path) -> None:
    """Those of documents that need no other file, in one run of pytest."""
    for number, project in enumerate(PROJECTS):
        if group(project) == documents and project.plain:
            title = re.sub(r"\W+", "_", project.title.lower())
            for name, body in project.files.items():
                file = name.replace("test_", f"test_{number}_{title}_")
                (tmp_path / file).write_text(body)
    run_pytest(tmp_path)


@pytest.mark.parametrize(
    "project",
    [project for project in PROJECTS if not project.plain],
    ids=lambda project: f"{project.document}: {project.title}",
)
def test_the_code_runs(project: Project, tmp_path: Path) -> None:
    for name, body in project.files.items():
        (tmp_path / name).write_text(body)
    if project.tests:
        run_pytest(tmp_path)
    for script in project.scripts:
        run(["bash", "-euo", "pipefail", "-c", script], tmp_path)


def anchors(document: Path) -> set[str]:
    """What a forge makes of the headings of a document, for links."""
    titles = (found["title"] for found in BLOCK.finditer(document.read_text()) if found["heading"])
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    text = BLOCK.sub(lambda found: found[0] if found["heading"] else "", document.read_text())
    broken = []
    for link in LINK.finditer(text):
        target = (document.parent / link["path"]).resolve() if link["path"] else document
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            broken.append(link[0])

    assert broken == []


def test_the_documents_hold_code_that_runs() -> None:
    assert {project.document for project in PROJECTS} >= {"README.md"}
