"""COPY and ADD: what they copy, and how."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.instruction import DockerfileError, exec_form
from pytest_sandbox._shared.dockerfile.source import heredoc_name
from pytest_sandbox._shared.dockerfile.words import expand, expand_text, words

from ..model.local_files import LocalFile
from ..volumes.uploads import Upload
from .archives import is_archive
from .context import CopiedFile
from .failures import refusal
from .steps import CopyFromStep, CopyStep, Placing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_sandbox._shared.dockerfile.instruction import Heredoc, Instruction

    from .context import BuildContext
    from .steps import Source

_OCTAL = re.compile(r"0?[0-7]{3,4}")
_OWNER = re.compile(r"[\w.-]*(?::[\w.-]+)?")
#: What lines can have, for errors.
_FLAGS = (
    "--chmod with an octal number, --chown, --exclude and --link, COPY also --from, and ADD "
    "--unpack"
)
#: Flags that make no difference here.
_WITHOUT_EFFECT = ("link",)
_REMOTE = re.compile(r"(?:https?|ftp|git|ssh)://|git@|.*\.git(?:#.*)?$", re.IGNORECASE)


class CopyLine:
    """One line with COPY or ADD.

    Args:
        line: the line.
        variables: for substitution.
        absolute: makes a path of the image absolute.

    Attributes:
        sources: as they were given.
        target: as it was given.
        placing: where they are copied, and how.

    Raises:
        GRPCError: UNIMPLEMENTED.
        DockerfileError: it makes no sense.
    """

    def __init__(
        self, line: Instruction, variables: Mapping[str, str], absolute: Callable[[str], str]
    ) -> None:
        self._line = line
        self._variables = variables
        given = exec_form(line.rest)
        found = (
            words(line.rest, variables, line.escape)
            if given is None
            else [expand(word, variables, line.escape) for word in given]
        )
        if len(found) < 2:
            raise DockerfileError("it needs a source and a target")
        *self.sources, self.target = found
        if len(self.sources) > 1 and not self.target.endswith("/"):
            raise DockerfileError("the target of several sources must end with a slash")
        self._unpack = line.verb == "ADD"
        self.placing = self._placing(absolute(self.target))

    def step(self, image: Source | None, context: BuildContext) -> CopyStep | CopyFromStep:
        """What is to be done.

        Args:
            image: that the files are in; `None` for the context.
            context: files of the build.

        Raises:
            GRPCError: INVALID_ARGUMENT: a source is not there.
        """
        if image is not None:
            return CopyFromStep(image, tuple(self.sources), self.placing)
        files: dict[tuple[str, ...], CopiedFile] = {}
        archives: list[CopiedFile] = []
        single = False
        heredocs = {each.name: each for each in self._line.heredocs}
        for source in self.sources:
            heredoc = heredocs.get(heredoc_name(source) or source) if heredocs else None
            if heredoc is not None:
                found, single = [self._inline(heredoc)], True
            elif self._line.verb == "ADD" and _REMOTE.match(source):
                why = f"nothing here fetches {source!r}: download it, and copy the local file"
                raise refusal(self._line, why)
            else:
                found, single = context.select(source, self.placing.exclude)
            for each in found:
                if self._unpack and each.named and is_archive(each.file.upload):
                    archives.append(each)
                else:
                    files[each.path] = each
        placing = self.placing if single and not archives else self.several
        return CopyStep(tuple(files.values()), placing, tuple(archives))

    @property
    def several(self) -> Placing:
        """Where several files are copied: into a directory."""
        return Placing(
            self.placing.target,
            mode=self.placing.mode,
            owner=self.placing.owner,
            exclude=self.placing.exclude,
        )

    def _placing(self, target: str) -> Placing:
        mode, owner = "", ""
        exclude: list[str] = []
        for name, raw in self._line.flags:
            value = expand(raw, self._variables, self._line.escape)
            if name == "chmod" and _OCTAL.fullmatch(value):
                mode = value
            elif name == "chown" and value and _OWNER.fullmatch(value):
                owner = value
            elif name == "exclude" and value:
                exclude.append(value)
            elif name == "unpack" and self._line.verb == "ADD" and value in ("true", "false"):
                self._unpack = value == "true"
            elif name not in _WITHOUT_EFFECT and (name, self._line.verb) != ("from", "COPY"):
                flag = f"--{name}={value}" if value else f"--{name}"
                raise refusal(self._line, f"{self._line.verb} with {flag}: it can have {_FLAGS}")
        single = not self.target.endswith(("/", "/.")) and self.target != "."
        return Placing(target, single, int(mode, 8) if mode else None, owner, tuple(exclude))

    def _inline(self, heredoc: Heredoc) -> CopiedFile:
        """The file that a heredoc is."""
        text = heredoc.content
        if heredoc.expand:
            text = expand_text(text, self._variables, self._line.escape)
        upload = Upload()
        upload.write(text.encode("utf-8", "surrogateescape"))
        name = PurePosixPath(heredoc.name).name
        return CopiedFile((name,), LocalFile(f"/{name}", upload))
