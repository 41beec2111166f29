"""What is to be done for a definition: read it line by line, without doing any of it."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from ..model.images import ImageRecord
from ..rpc.errors import invalid
from .bases import Bases
from .context import BuildContext, CopiedFile
from .failures import NO_UV, refusal
from .instructions import Instruction, exec_form, instructions, words
from .steps import CopyStep, LayerPlan, RunStep, Step, key_of, layer, settings

#: Where steps start in an image that says nothing, as at Docker and Modal.
_ROOT = PurePosixPath("/")
_OCTAL = re.compile(r"0?[0-7]{3,4}")
#: Has no effect on a sandbox.
_WITHOUT_EFFECT = frozenset({"EXPOSE", "LABEL", "MAINTAINER", "STOPSIGNAL"})
_ROOT_USERS = frozenset({"root", "0", "root:root", "0:0", "0:root", "root:0"})
#: Where Modal's `Image.uv_pip_install` takes uv from.
_UV = re.compile(r"ghcr\.io/astral-sh/uv:\S+")


@dataclass(frozen=True)
class Plan:
    """A definition that was read.

    Attributes:
        base: the image that it begins with.
        layers: to be made on that, in this order.
        image: what it says about environment, command, ...; without files of its own.
        key: by which the image is found: all that it depends on.
        secrets: values that are not shown.
    """

    base: ImageRecord
    layers: tuple[LayerPlan, ...]
    image: ImageRecord
    key: bytes
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildInput:
    """What a definition is read with.

    Attributes:
        bases: finds the image after FROM.
        with_project: the image, with the project; may refuse.
        context: files for COPY.
        build_args: for ARG.
        secrets: variables of the steps that no layer has.
        secrets_digest: changes with these, and tells nothing of them.
    """

    bases: Bases
    with_project: Callable[[ImageRecord], ImageRecord]
    context: BuildContext
    build_args: Mapping[str, str]
    secrets: Mapping[str, str]
    secrets_digest: str


#: Asks for the project under test, at its own path, as the working directory.
_PROJECT = "pytest-sandbox.project=true"


async def plan(lines: Iterable[str], around: BuildInput) -> Plan:
    """Read a definition.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED; the message has the line.
    """
    reader = _PlanReader(around)
    for instruction in instructions(lines):
        await reader.read(instruction)
    return reader.plan()


class _PlanReader:
    """Reads the instructions of one definition."""

    def __init__(self, around: BuildInput) -> None:
        self._around = around
        self._base: ImageRecord | None = None
        self._image = ImageRecord("")
        self._done: frozenset[str] = frozenset()
        self._args: dict[str, str] = {}
        self._layers: list[LayerPlan] = []

    def plan(self) -> Plan:
        if self._base is None:
            raise invalid("an image needs at least one line: FROM")
        image = self._image
        key = key_of(self._below, settings(image), image.entrypoint, image.cmd, image.shell)
        secrets = tuple(self._around.secrets.values())
        return Plan(self._base, tuple(self._layers), image, key, secrets)

    @property
    def _below(self) -> bytes:
        return self._layers[-1].key if self._layers else self._image.key

    @property
    def _variables(self) -> dict[str, str]:
        return {**self._args, **self._image.env}

    async def read(self, instruction: Instruction) -> None:
        verb, line = instruction.verb, str(instruction)
        if verb not in ("FROM", "ARG") and self._base is None:
            raise invalid(f"an image begins with FROM, not with {line!r}")
        if line in self._done or verb in _WITHOUT_EFFECT - {"LABEL"}:
            return
        read = getattr(self, f"_read_{verb.lower()}", None)
        try:
            if verb == "FROM":
                await self._begin(instruction)
            elif read is None:
                raise refusal(line)
            else:
                read(instruction)
        except ValueError as error:
            raise invalid(f"the line {line!r} of an image is not valid: {error}") from None

    async def _begin(self, instruction: Instruction) -> None:
        if self._base is not None or instruction.flags:
            raise refusal(str(instruction))
        tag = " ".join(words(instruction.rest, self._args))
        base = await self._around.bases.resolve(tag)
        self._base = self._image = base.image
        self._done = base.done
        self._args = {}

    def _read_label(self, instruction: Instruction) -> None:
        if instruction.rest == _PROJECT:
            self._image = self._around.with_project(self._image)

    def _read_arg(self, instruction: Instruction) -> None:
        for word in words(instruction.rest, self._variables):
            name, _, default = word.partition("=")
            if not name:
                raise ValueError("an argument needs a name")
            value = self._around.build_args.get(name)
            if value is not None or "=" in word:
                self._args[name] = default if value is None else value

    def _read_env(self, instruction: Instruction) -> None:
        first = instruction.rest.split(None, 1)
        if first and "=" not in first[0]:
            if len(first) == 1:
                raise ValueError("a variable needs a value")
            env = {first[0]: " ".join(words(first[1], self._variables))}
        else:
            pairs = [word.partition("=") for word in words(instruction.rest, self._variables)]
            if not pairs or not all(separator and name for name, separator, _ in pairs):
                raise ValueError("it is not NAME=value")
            env = {name: value for name, _, value in pairs}
        self._image = replace(self._image, env={**self._image.env, **env})

    def _read_workdir(self, instruction: Instruction) -> None:
        (path,) = words(instruction.rest, self._variables) or ("",)
        self._image = replace(self._image, workdir=self._absolute(path))

    def _read_user(self, instruction: Instruction) -> None:
        if " ".join(words(instruction.rest, self._variables)) not in _ROOT_USERS:
            raise refusal(str(instruction))

    def _read_shell(self, instruction: Instruction) -> None:
        shell = exec_form(instruction.rest)
        if not shell:
            raise ValueError("it is not a JSON list of words")
        self._image = replace(self._image, shell=shell)

    def _read_cmd(self, instruction: Instruction) -> None:
        self._image = replace(self._image, cmd=self._command(instruction.rest))

    def _read_entrypoint(self, instruction: Instruction) -> None:
        self._image = replace(self._image, entrypoint=self._command(instruction.rest))

    def _read_run(self, instruction: Instruction) -> None:
        if instruction.flags:
            raise refusal(str(instruction))
        argv = self._command(instruction.rest)
        if not argv:
            raise ValueError("there is no command")
        self._run(str(instruction), argv)

    def _read_copy(self, instruction: Instruction) -> None:
        line = str(instruction)
        rest = exec_form(instruction.rest) or words(instruction.rest, self._variables)
        if len(rest) < 2:
            raise ValueError("it needs a source and a target")
        *sources, target = rest
        flags = dict(instruction.flags)
        mode = flags.pop("chmod", "")
        if mode and not _OCTAL.fullmatch(mode):
            raise refusal(line)
        if flags.pop("chown", "root") not in _ROOT_USERS:
            raise refusal(line)
        if _UV.fullmatch(flags.get("from", "")) and sources == ["/uv"] and len(flags) == 1:
            self._run(line, ("/bin/sh", "-c", _take_uv(self._absolute(target))))
            return
        if flags:
            raise refusal(line)
        self._copy(line, sources, target, int(mode, 8) if mode else None)

    def _copy(self, line: str, sources: list[str], target: str, mode: int | None) -> None:
        files: dict[tuple[str, ...], CopiedFile] = {}
        single = False
        for source in sources:
            found, single = self._around.context.select(source)
            files.update({each.path: each for each in found})
        if len(sources) > 1 and not target.endswith("/"):
            raise ValueError("the target of several sources must end with a slash")
        single = single and not target.endswith(("/", "/.")) and target != "."
        step = CopyStep(tuple(files.values()), self._absolute(target), single, mode)
        self._add(line, step)

    def _run(self, line: str, argv: tuple[str, ...]) -> None:
        around = self._around
        secrets = dict(around.secrets)
        # Variables of the image win over arguments of the same name.
        args = {name: value for name, value in self._args.items() if name not in self._image.env}
        self._add(line, RunStep(argv, args, secrets, around.secrets_digest))

    def _add(self, line: str, step: Step) -> None:
        image = replace(self._image, workdir=self._image.workdir or str(_ROOT))
        self._layers.append(layer(line, step, image, self._below))

    def _command(self, text: str) -> tuple[str, ...]:
        """A command: a JSON list of words, or else a line for the shell."""
        found = exec_form(text)
        if found is None and not text:
            raise ValueError("there is no command")
        return (*self._image.shell, text) if found is None else found

    def _absolute(self, path: str) -> str:
        if not path:
            raise ValueError("there is no path")
        return str(PurePosixPath(self._image.workdir or _ROOT) / path)


def _take_uv(target: str) -> str:
    """A script that makes the uv of the image known at another place too."""
    place = shlex.quote(target)
    return (
        f"uv=$(command -v uv) || {{ echo {shlex.quote(NO_UV)} >&2; exit 1; }}; "
        f'mkdir -p "$(dirname {place})" && ln -sfn "$uv" {place}'
    )
