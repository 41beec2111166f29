"""The documents are wrapped, so that a change of one sentence is a change of few lines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "tests/*.md")
    for path in ROOT.glob(pattern)
)
WIDEST = 100


def prose(document: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without code, tables and pictures, which cannot be wrapped."""
    in_code = False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith(("|", "![")):
            yield number, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_wrapped(document: Path) -> None:
    wide = [f"{number}: {line}" for number, line in prose(document) if len(line) > WIDEST]

    assert wide == [], "\n".join(wide)


def test_each_document_is_in_the_navigation() -> None:
    """Of the pages that `docs/build` makes; without a place there, it fails."""
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    paths = [path.relative_to(ROOT).as_posix().removeprefix("docs/") for path in DOCUMENTS]

    assert [path for path in paths if f" {path}\n" not in navigation] == []


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) > 15
