"""What the documents show is true: their code runs, their links lead somewhere.

The blocks of code under one heading are the files of one small project:

    ```python                  a test file, run by pytest
    ```python conftest.py      any other file, by its name
    ```ini pytest.ini
    ```sh run                  a shell script, run beside them, that must succeed

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
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")

pytestmark = pytest.mark.timeout(300)


@dataclass
class Project:
    """The code under one heading.

    Attributes:
        where: document and heading.
        files: name to content.
        scripts: shell scripts to run.
    """

    where: str
    files: dict[str, str] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)

    @property
    def tests(self) -> bool:
        return any(re.fullmatch(r"test_.*\.py", name) for name in self.files)

    def add(self, kind: str, name: str, body: str) -> None:
        if (kind, name) == ("sh", "run"):
            self.scripts.append(body)
        elif name:
            self.files[name] = body
        elif kind == "python":
            self.files[f"test_{len(self.files)}.py"] = body


def projects(document: Path) -> Iterator[Project]:
    title = document.relative_to(ROOT).as_posix()
    project = Project(title)
    for found in BLOCK.finditer(document.read_text()):
        if found["heading"]:
            yield project
            project = Project(f"{title}: {found['title']}")
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
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "XDG_CACHE_HOME": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}", pytrace=False)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.where)
def test_the_code_runs(project: Project, tmp_path: Path) -> None:
    for name, body in project.files.items():
        (tmp_path / name).write_text(body)
    if project.tests:
        run([sys.executable, "-m", "pytest", "--rootdir", str(tmp_path)], tmp_path)
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
    assert {project.where.partition(":")[0] for project in PROJECTS} >= {"README.md"}
