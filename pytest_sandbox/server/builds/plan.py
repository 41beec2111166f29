"""What is to be done for a definition: read it line by line, without doing any of it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from grpclib import GRPCError

from pytest_sandbox._shared.dockerfile.instruction import DockerfileError
from pytest_sandbox._shared.dockerfile.source import parse
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import OciImage

from ..model.image_keys import key_of_image
from ..rpc.errors import invalid
from .mounts import mounts_of
from .stage_reader import StageReader, triggers
from .stages import BuildStage, split_stages, wrong
from .steps import Source, StagePlan
from .uv import uv_programs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_sandbox._shared.dockerfile.instruction import Instruction

    from ..model.images import ImageRecord
    from .bases import Base
    from .build_input import BuildInput


@dataclass(frozen=True)
class Plan:
    """A definition that was read.

    Attributes:
        stage: the stage that is wanted, with those that it needs.
        image: what it says about environment, command, ...; without files of its own.
        key: by which the image is found: all that it depends on.
        secrets: values that are not shown.
    """

    stage: StagePlan
    image: ImageRecord
    key: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, stage: StagePlan, secrets: Iterable[str] = ()) -> Plan:
        """The plan that ends with a stage."""
        return cls(stage, stage.image, key_of_image(stage.key, stage.image), tuple(secrets))

    @property
    def stays(self) -> bool:
        """Whether the same definition means the same later: a tag of a registry may not."""
        sources = (source for stage in _all_stages(self.stage) for source in _sources(stage))
        records = (source for source in sources if not isinstance(source, StagePlan))
        return not any(isinstance(each.engine_image, OciImage) for each in records)

    @property
    def images(self) -> Iterator[ImageRecord]:
        """All that it says about environments and working directories."""
        yield self.image
        for stage in _all_stages(self.stage):
            yield from (each.image for each in stage.layers)


def _all_stages(stage: StagePlan) -> list[StagePlan]:
    """A stage, and all that it needs, each once."""
    found = [stage]
    for each in found:
        found += {
            source: None
            for source in _sources(each)
            if isinstance(source, StagePlan) and source not in found
        }
    return found


def _sources(stage: StagePlan) -> list[Source]:
    """What a stage begins with, and copies from."""
    return [stage.base, *(image for each in stage.layers for image in each.step.images)]


async def plan(lines: Iterable[str], around: BuildInput) -> Plan:
    """Read a definition.

    Raises:
        GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED; the message has the line.
    """
    try:
        dockerfile = parse(lines)
    except DockerfileError as error:
        raise invalid(f"the lines of an image are not valid: {error}") from None
    stages, arguments = split_stages(dockerfile.instructions, around.build_args)
    planner = _Planner(stages, arguments, around)
    found = await planner.stage(_number(dockerfile.target, stages))
    return Plan.of(found, around.secrets.values())


def _number(target: str, stages: list[BuildStage]) -> int:
    """Which stage is wanted."""
    if not target:
        return len(stages) - 1
    found = _earlier(target, stages)
    if found is None:
        names = ", ".join(repr(stage.name or str(stage.number)) for stage in stages)
        raise invalid(f"target={target!r} is no stage of the Dockerfile, which has {names}")
    return found


def _earlier(reference: str, stages: list[BuildStage], *, by_number: bool = True) -> int | None:
    """The last one of some stages that a reference means, by name or by number."""
    for stage in reversed(stages):
        if stage.name and stage.name == reference.lower():
            return stage.number
    if by_number and reference.isdecimal() and int(reference) < len(stages):
        return int(reference)
    return None


class _Planner:
    """Plans the stages that are needed."""

    def __init__(
        self, stages: list[BuildStage], arguments: Mapping[str, str], around: BuildInput
    ) -> None:
        self._stages = stages
        self._arguments = arguments
        self._around = around
        self._planned: dict[int, StagePlan] = {}
        self._found: dict[str, Base] = {}

    async def stage(self, number: int) -> StagePlan:
        """The plan of a stage, and of those that it needs."""
        if number not in self._planned:
            self._planned[number] = await self._plan(self._stages[number])
        return self._planned[number]

    async def _plan(self, stage: BuildStage) -> StagePlan:
        base: Source
        own = stage.instructions
        earlier = _earlier(stage.reference, self._stages[: stage.number], by_number=False)
        if earlier is not None:
            base = await self.stage(earlier)
            image = base.image
        else:
            found = await self._resolve(stage.reference)
            base = image = found.image
            if found.done == tuple(map(str, own[: len(found.done)])):
                own = own[len(found.done) :]
        instructions = (*triggers(image), *own)
        stands_in = image.of_machine or self._around.one_image
        wanted = [
            (reference, stands_in and self._is_uv(line, reference))
            for line in instructions
            for reference in _references(line)
        ]
        sources = {
            reference: await self._source(reference, stage.number)
            for reference, is_uv in wanted
            if not is_uv
        }
        uv = await uv_programs(self._around) if any(is_uv for _, is_uv in wanted) else {}
        reader = StageReader(base, image, self._arguments, sources, uv, self._around)
        for line in instructions:
            _read(reader, line)
        return reader.plan()

    async def _source(self, reference: str, before: int) -> Source:
        """What COPY --from and RUN --mount=from= mean."""
        earlier = _earlier(reference, self._stages[:before])
        if earlier is not None:
            return await self.stage(earlier)
        if reference.isdecimal():
            raise invalid(f"there is no stage {reference} before the stage {before}")
        return (await self._resolve(reference)).image

    def _is_uv(self, line: Instruction, reference: str) -> bool:
        """Whether a line copies from the image of uv, for which that of this machine stands in."""
        return line.verb == "COPY" and self._around.bases.is_uv(reference)

    async def _resolve(self, reference: str) -> Base:
        if reference not in self._found:
            self._found[reference] = await self._around.bases.resolve(reference)
        return self._found[reference]


def _references(line: Instruction) -> Iterator[str]:
    """Other images that a line needs."""
    for name, value in line.flags:
        if name == "from" and line.verb == "COPY":
            yield value
    if line.verb == "RUN":
        yield from (mount["from"] for mount in mounts_of(line) if mount.get("from"))


def _read(reader: StageReader, line: Instruction) -> None:
    try:
        reader.read(line)
    except GRPCError:
        raise
    except ValueError as error:
        raise wrong(line, error) from None
