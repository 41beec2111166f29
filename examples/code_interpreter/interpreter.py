"""A tool for a language model: runs Python that it wrote, far from everything else."""

import asyncio
from dataclasses import dataclass, field

import modal

IMAGE = modal.Image.debian_slim()
#: Seconds that code may take.
PATIENCE = 20
OUTPUT = "/tmp/output"


@dataclass
class Answer:
    """What the model is told, and the files that its code has made."""

    stdout: str
    stderr: str
    code: int
    files: dict[str, bytes] = field(default_factory=dict)


async def interpret(code: str, *, inputs: dict[str, bytes] | None = None) -> Answer:
    """Run code in a sandbox without a network; it finds inputs where it starts."""
    app = await modal.App.lookup.aio("interpreter", create_if_missing=True)
    sandbox = await modal.Sandbox.create.aio(
        app=app, image=IMAGE, timeout=120, block_network=True, workdir="/tmp/work"
    )
    try:
        return await _interpret(sandbox, code, inputs or {})
    finally:
        await sandbox.terminate.aio()


async def _interpret(sandbox: modal.Sandbox, code: str, inputs: dict[str, bytes]) -> Answer:
    files = sandbox.filesystem
    for name, content in inputs.items():
        await files.write_bytes.aio(content, f"/tmp/work/{name}")
    await files.make_directory.aio(OUTPUT)
    process = await sandbox.exec.aio("python3", "-c", code, timeout=PATIENCE)
    stdout, stderr, status = await asyncio.gather(
        process.stdout.read.aio(), process.stderr.read.aio(), process.wait.aio()
    )
    made = await files.list_files.aio(OUTPUT)
    contents = {each.name: await files.read_bytes.aio(each.path) for each in made}
    return Answer(stdout, stderr, status, contents)


async def interpret_all(codes: list[str]) -> list[Answer]:
    """Run several at once, each on a machine of its own."""
    return await asyncio.gather(*map(interpret, codes))
