"""`nvidia-smi`, for GPUs that do not exist."""

from collections.abc import Sequence

from pytest_sandbox._shared.simulated_gpus import DRIVER, SimulatedGpu

from ..processes.process import SandboxProcess
from .utility import NotSupported, complain, options

_WIDTH = 72
#: Long options, and letters for them; of `Q` and `Z` the real one knows only the long form.
_LONG = {"query-gpu": "Q", "format": "Z", "list-gpus": "L"}


async def nvidia_smi(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """List the GPUs of the sandbox: as a table, with `-L`, or with `--query-gpu=name,index,...`."""
    gpus = proc.kernel.gpus
    given, rest = options(argv, "LQ:Z:", _LONG)
    if rest:
        raise NotSupported(f"the argument {rest[0]!r}")
    if not gpus:
        await complain(proc, "nvidia-smi", "this sandbox has no GPU")
        return 9
    if "-L" in given:
        lines = [f"GPU {index}: {gpu.name} (UUID: {gpu.uuid})" for index, gpu in enumerate(gpus)]
    elif "-Q" in given:
        lines = _table(gpus, given["-Q"].split(","), given.get("-Z", "csv"))
    else:
        lines = _overview(gpus)
    await proc.say("".join(f"{line}\n" for line in lines))
    return 0


def _overview(gpus: Sequence[SimulatedGpu]) -> list[str]:
    rule = f"+{'-' * _WIDTH}+"
    lines = [rule, f"| {f'NVIDIA-SMI {DRIVER}':{_WIDTH - 2}} |", rule]
    for index, gpu in enumerate(gpus):
        row = f"{index:3}  {gpu.name:44} 0 / {gpu.memory} MiB"
        lines.append(f"| {row:{_WIDTH - 2}} |")
    return [*lines, rule]


def _table(gpus: Sequence[SimulatedGpu], fields: Sequence[str], form: str) -> list[str]:
    shape = {word.strip() for word in form.split(",")}
    if unknown := shape - {"csv", "noheader", "nounits"}:
        raise NotSupported(f"the format {min(unknown)!r}")
    wanted = [field.strip() for field in fields]
    rows = [_facts(gpu, index, len(gpus)) for index, gpu in enumerate(gpus)]
    for field in wanted:
        if field not in rows[0]:
            raise NotSupported(f"the field {field!r}")
    lines = [", ".join(_cell(field, field, " [{}]") for field in wanted)]
    unit = "" if "nounits" in shape else " {}"
    lines += [", ".join(_cell(field, row[field], unit) for field in wanted) for row in rows]
    return lines[1:] if "noheader" in shape else lines


def _cell(field: str, text: str, form: str) -> str:
    """A text with the unit of its field, if that has one."""
    unit = {"memory": "MiB", "utilization": "%"}.get(field.partition(".")[0])
    return text + form.format(unit) if unit else text


def _facts(gpu: SimulatedGpu, index: int, count: int) -> dict[str, str]:
    return {
        "count": str(count),
        "driver_version": DRIVER,
        "gpu_name": gpu.name,
        "gpu_uuid": gpu.uuid,
        "index": str(index),
        "memory.free": str(gpu.memory),
        "memory.total": str(gpu.memory),
        "memory.used": "0",
        "name": gpu.name,
        "utilization.gpu": "0",
        "utilization.memory": "0",
        "uuid": gpu.uuid,
    }
