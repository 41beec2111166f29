"""What `nvidia-smi` prints for GPUs that do not exist; a program too, which needs nothing else.

The local engine puts this file into sandboxes that have simulated GPUs. There, an environment
variable describes them, a line each: `device UUID MIB MINOR USED NAME`.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: The version of the driver that they pretend to have.
DRIVER = "580.95.05"
VARIABLE = "PYTEST_SANDBOX_SIMULATED_GPUS"
_WIDTH = 72
#: What is measured, of a GPU that does nothing; NVML has the same, see `simulated_nvml.c`.
_CELSIUS, _WATTS = 30, "25.00"
#: What `nvidia-smi` shows where a GPU has no such thing.
_NOT_THERE = "[N/A]"
_OPTIONS = {"-L", "--list-gpus", "-q", "--query", "--query-gpu", "--format"}
_UNITS = {"memory": "MiB", "utilization": "%", "power": "W", "clocks": "MHz", "fan": "%"}


class UnknownToSmi(Exception):
    """What was asked for is not simulated; says what."""


class SmiGpu:
    """A GPU, as `nvidia-smi` tells it.

    Args:
        uuid: how CUDA names it.
        name: what `nvidia-smi` calls it.
        memory: its MiB.
    """

    def __init__(self, uuid: str, name: str, memory: int) -> None:
        self.uuid = uuid
        self.name = name
        self.memory = memory


def listed(gpus: "Sequence[SmiGpu]") -> "list[str]":
    """The lines of `nvidia-smi -L`."""
    return [f"GPU {index}: {gpu.name} (UUID: {gpu.uuid})" for index, gpu in enumerate(gpus)]


def overview(gpus: "Sequence[SmiGpu]") -> "list[str]":
    """The lines of `nvidia-smi`."""
    rule = f"+{'-' * _WIDTH}+"
    lines = [rule, f"| {f'NVIDIA-SMI {DRIVER}':{_WIDTH - 2}} |", rule]
    for index, gpu in enumerate(gpus):
        row = f"{index:3}  {gpu.name:44} 0 / {gpu.memory} MiB"
        lines.append(f"| {row:{_WIDTH - 2}} |")
    return [*lines, rule]


def table(gpus: "Sequence[SmiGpu]", fields: str, form: str) -> "list[str]":
    """The lines of `nvidia-smi --query-gpu=FIELDS --format=FORM`.

    Raises:
        UnknownToSmi: a field or the format is not simulated.
    """
    shape = {word.strip() for word in form.split(",")}
    if unknown := shape - {"csv", "noheader", "nounits"}:
        raise UnknownToSmi(f"the format {min(unknown)!r}")
    wanted = [field.strip() for field in fields.split(",")]
    rows = [_facts(gpu, index, len(gpus)) for index, gpu in enumerate(gpus)]
    for field in wanted:
        if field not in rows[0]:
            raise UnknownToSmi(f"the field {field!r}")
    lines = [", ".join(_cell(field, field, " [{}]") for field in wanted)]
    unit = "" if "nounits" in shape else " {}"
    lines += [", ".join(_cell(field, row[field], unit) for field in wanted) for row in rows]
    return lines[1:] if "noheader" in shape else lines


def report(gpus: "Sequence[SmiGpu]") -> "list[str]":
    """The lines of `nvidia-smi -q`."""
    lines = [
        "",
        f"{'=' * 14}NVSMI LOG{'=' * 14}",
        "",
        _line("Driver Version", DRIVER),
        "",
        _line("Attached GPUs", str(len(gpus))),
    ]
    for index, gpu in enumerate(gpus):
        lines += [f"GPU {_bus_id(index)}", *_sections(gpu, _facts(gpu, index, len(gpus))), ""]
    return lines


def _sections(gpu: SmiGpu, facts: "dict[str, str]") -> "list[str]":
    return [
        _line("    Product Name", gpu.name),
        _line("    GPU UUID", gpu.uuid),
        _line("    Fan Speed", "N/A"),
        _line("    Performance State", facts["pstate"]),
        "    FB Memory Usage",
        _line("        Total", f"{facts['memory.total']} MiB"),
        _line("        Reserved", f"{facts['memory.reserved']} MiB"),
        _line("        Used", f"{facts['memory.used']} MiB"),
        _line("        Free", f"{facts['memory.free']} MiB"),
        "    Utilization",
        _line("        GPU", f"{facts['utilization.gpu']} %"),
        _line("        Memory", f"{facts['utilization.memory']} %"),
        "    Temperature",
        _line("        GPU Current Temp", f"{_CELSIUS} C"),
        "    GPU Power Readings",
        _line("        Average Power Draw", f"{_WATTS} W"),
        _line("    Processes", "None"),
    ]


def _line(name: str, text: str) -> str:
    return f"{name:<50}: {text}"


def _bus_id(index: int) -> str:
    return f"00000000:{index + 1:02X}:00.0"


def _cell(field: str, text: str, form: str) -> str:
    """A text with the unit of its field, if that has one."""
    unit = _UNITS.get(field.partition(".")[0])
    return text + form.format(unit) if unit and text != _NOT_THERE else text


def _facts(gpu: SmiGpu, index: int, count: int) -> "dict[str, str]":
    return {
        "clocks.mem": "405",
        "clocks.sm": "210",
        "count": str(count),
        "driver_version": DRIVER,
        "fan.speed": _NOT_THERE,
        "gpu_name": gpu.name,
        "gpu_uuid": gpu.uuid,
        "index": str(index),
        "memory.free": str(gpu.memory),
        "memory.reserved": "0",
        "memory.total": str(gpu.memory),
        "memory.used": "0",
        "name": gpu.name,
        "pci.bus_id": _bus_id(index),
        "power.draw": _WATTS,
        "power.limit": _NOT_THERE,
        "pstate": "P0",
        "temperature.gpu": str(_CELSIUS),
        "temperature.memory": _NOT_THERE,
        "utilization.gpu": "0",
        "utilization.memory": "0",
        "uuid": gpu.uuid,
    }


def main(arguments: "Sequence[str]", described: str) -> int:
    """Be `nvidia-smi`; returns its exit code.

    Args:
        arguments: those of the command line.
        described: the value of the environment variable.
    """
    lines = [line.split(" ", 5) for line in described.splitlines()]
    gpus = [SmiGpu(line[1], line[5], int(line[2])) for line in lines if line[0] == "device"]
    options = dict(each.partition("=")[::2] for each in arguments)
    try:
        if unknown := options.keys() - _OPTIONS:
            raise UnknownToSmi(f"the argument {min(unknown)!r}")
        if not gpus:
            sys.stderr.write("nvidia-smi: this sandbox has no GPU\n")
            return 9
        if "--query-gpu" in options:
            text = table(gpus, options["--query-gpu"], options.get("--format", "csv"))
        elif options.keys() & {"-L", "--list-gpus"}:
            text = listed(gpus)
        else:
            text = report(gpus) if options.keys() & {"-q", "--query"} else overview(gpus)
    except UnknownToSmi as error:
        sys.stderr.write(f"nvidia-smi: {error} is not supported by simulated GPUs\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in text))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get(VARIABLE, "")))
