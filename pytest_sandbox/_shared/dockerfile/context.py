"""What the lines of a Dockerfile take of the files beside it."""

from __future__ import annotations

import re

from .instruction import exec_form
from .source import heredoc_name, parse
from .words import raw_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .instruction import Instruction

#: All files.
ALL = "**"
_MOUNT = {"source", "src"}


def context_patterns(lines: Iterable[str]) -> list[str]:
    """Patterns of the files that are taken, as in a `.dockerignore`.

    Raises:
        DockerfileError: it is no Dockerfile.
    """
    return sorted({pattern for each in parse(lines).instructions for pattern in _taken(each)})


def _taken(line: Instruction) -> Iterator[str]:
    if line.verb == "ONBUILD":
        texts = "".join(f"\n{each.body}{each.name}" for each in line.heredocs)
        for inner in parse([line.rest + texts]).instructions:
            yield from _taken(inner)
    flags = dict(line.flags)
    if line.verb in ("COPY", "ADD") and "from" not in flags:
        words = exec_form(line.rest) or raw_words(line.rest, line.escape)
        heredocs = {each.name for each in line.heredocs}
        for word in words[:-1]:
            if heredoc_name(word, line.escape) not in heredocs:
                yield _pattern(word)
    for name, value in line.flags:
        if line.verb == "RUN" and name == "mount":
            yield from _mounted(value)


def _mounted(mount: str) -> Iterator[str]:
    fields = dict(field.partition("=")[::2] for field in mount.split(","))
    if fields.get("type", "bind") == "bind" and "from" not in fields:
        yield _pattern(next((fields[name] for name in _MOUNT if name in fields), ""))


def _pattern(word: str) -> str:
    """A word as a pattern; one that is only known when the image is built takes all."""
    word = re.sub(r"[\"']", "", word)
    return ALL if "$" in word or not word.strip("./") else word
