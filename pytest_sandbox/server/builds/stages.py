"""The stages of a Dockerfile, and the arguments before the first one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.instruction import DockerfileError
from pytest_sandbox._shared.dockerfile.words import expand, words
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..rpc.errors import invalid
from .failures import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_sandbox._shared.dockerfile.instruction import Instruction

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Stages of one image: each may need all before it.
MOST_STAGES = 100
#: Arguments that need no ARG, and on which no layer depends.
PROXIES = frozenset(
    name
    for upper in ("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    for name in (upper, upper.lower())
)


@dataclass(frozen=True)
class BuildStage:
    """One stage.

    Attributes:
        number: from 0.
        name: after AS, in lower case; empty if there is none.
        reference: what it begins with, after substitution.
        instructions: those after FROM.
    """

    number: int
    name: str
    reference: str
    instructions: tuple[Instruction, ...]


def platform_arguments() -> dict[str, str]:
    """The arguments that say what is built for, and on: the same here."""
    architecture = _ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    values = {
        "PLATFORM": f"linux/{architecture}",
        "OS": "linux",
        "ARCH": architecture,
        "VARIANT": "",
    }
    return {f"{on}{name}": value for on in ("TARGET", "BUILD") for name, value in values.items()}


def split_stages(
    instructions: Iterable[Instruction], build_args: Mapping[str, str]
) -> tuple[list[BuildStage], dict[str, str]]:
    """The stages, and the arguments that they all can have.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED; the message has the line.
    """
    arguments = {**platform_arguments(), "TARGETSTAGE": "default"}
    # Modal's clients and Docker let these be given.
    arguments.update({name: build_args[name] for name in arguments if name in build_args})
    found: list[tuple[Instruction, list[Instruction]]] = []
    for each in instructions:
        if each.verb == "FROM":
            found.append((each, []))
        elif found:
            found[-1][1].append(each)
        elif each.verb == "ARG":
            _add_arguments(each, arguments, build_args)
        else:
            raise invalid(f"an image begins with FROM, not with {str(each)!r}")
    if not found:
        raise invalid("an image needs at least one line: FROM")
    if len(found) > MOST_STAGES:
        raise invalid(f"an image may have {MOST_STAGES} stages, not {len(found)}")
    return [
        _stage(number, line, tuple(below), arguments) for number, (line, below) in enumerate(found)
    ], arguments


def arguments_of(
    instruction: Instruction, variables: Mapping[str, str]
) -> list[tuple[str, str | None]]:
    """Names and defaults of an ARG.

    Raises:
        DockerfileError: one has no name.
    """
    found: list[tuple[str, str | None]] = []
    known = dict(variables)
    for word in words(instruction.rest, known, instruction.escape):
        name, sign, default = word.partition("=")
        if not name:
            raise DockerfileError("an argument needs a name")
        found.append((name, default if sign else None))
    if not found:
        raise DockerfileError("an argument needs a name")
    return found


def _add_arguments(
    line: Instruction, arguments: dict[str, str], build_args: Mapping[str, str]
) -> None:
    try:
        for name, default in arguments_of(line, arguments):
            value = build_args.get(name, default)
            if value is not None:
                arguments[name] = value
    except DockerfileError as error:
        raise wrong(line, error) from None


def _stage(
    number: int, line: Instruction, below: tuple[Instruction, ...], arguments: Mapping[str, str]
) -> BuildStage:
    try:
        given = [expand(word, arguments, line.escape) for word in line.rest.split()]
        platform = {name: expand(value, arguments) for name, value in line.flags}
    except DockerfileError as error:
        raise wrong(line, error) from None
    here = (arguments["BUILDPLATFORM"], arguments["TARGETPLATFORM"], "linux", "")
    if (wanted := platform.pop("platform", "")) not in here:
        why = f"--platform={wanted} is not that of this machine, {arguments['BUILDPLATFORM']}"
        raise refusal(line, why)
    if platform:
        raise refusal(line, f"FROM has no --{min(platform)}, but --platform")
    if len(given) == 3 and given[1].upper() == "AS" and given[2]:
        return BuildStage(number, given[2].lower(), given[0], below)
    if len(given) != 1 or not given[0]:
        raise wrong(line, "it is not FROM image, or FROM image AS name")
    return BuildStage(number, "", given[0], below)


def wrong(line: Instruction, why: object) -> Exception:
    """INVALID_ARGUMENT: a line that makes no sense."""
    return invalid(f"the line {str(line)!r} of an image is not valid: {why}")
