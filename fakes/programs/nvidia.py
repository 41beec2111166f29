"""`nvidia-smi`, for GPUs that do not exist."""

from collections.abc import Sequence

from pytest_sandbox._shared.gpus.simulated_smi import UnknownToSmi, listed, overview, report, table

from ..processes.process import SandboxProcess
from .utility import NotSupported, complain, options

#: Long options, and letters for them; of `Q` and `Z` the real one knows only the long form.
_LONG = {"query-gpu": "Q", "format": "Z", "list-gpus": "L", "query": "q"}


async def nvidia_smi(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """List the GPUs of the sandbox: as a table, by `-L`, `-q`, or `--query-gpu=name,index,...`."""
    gpus = proc.kernel.gpus
    given, rest = options(argv, "LqQ:Z:", _LONG)
    if rest:
        raise NotSupported(f"the argument {rest[0]!r}")
    if not gpus:
        await complain(proc, "nvidia-smi", "this sandbox has no GPU")
        return 9
    if "-L" in given:
        lines = listed(gpus)
    elif "-Q" in given:
        try:
            lines = table(gpus, given["-Q"], given.get("-Z", "csv"))
        except UnknownToSmi as error:
            raise NotSupported(str(error)) from error
    else:
        lines = report(gpus) if "-q" in given else overview(gpus)
    await proc.say("".join(f"{line}\n" for line in lines))
    return 0
