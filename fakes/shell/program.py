"""A shell as a program."""

import errno
import os

from ..processes.process import Program, SandboxProcess
from ..programs import complain, problem, refuse
from .builtins import read_script
from .shell import Shell


def shell_program(name: str) -> Program:
    """Runs `-c SCRIPT [NAME [ARGUMENT...]]`, `FILE [ARGUMENT...]`, or its standard input."""

    async def main(proc: SandboxProcess) -> int:
        words = list(proc.argv[1:])
        letters = ""
        while words and words[0][:1] == "-" and len(words[0]) > 1:
            letters += words.pop(0).lstrip("-")
        unknown = set(letters) - set("ceuxl")
        if unknown:
            return await refuse(proc, name, f"the option -{min(unknown)}")
        shell = Shell(proc, proc.argv[0], (), bash=name == "bash")
        shell.options.update(set(letters) & set("eux"))
        try:
            text = await _script(shell, words, letters)
        except OSError as error:
            await complain(proc, name, f"0: cannot open {problem(error)}")
            return 2
        return await shell.whole(lambda: shell.run_text(text))

    return main


async def _script(shell: Shell, words: list[str], letters: str) -> str:
    if "c" in letters:
        shell.invoked = "c"
        if not words:
            raise OSError(errno.EINVAL, "-c requires an argument")
        shell.name, shell.arguments = (words[1] if len(words) > 1 else shell.name), words[2:]
        return words[0]
    if words:
        shell.name, shell.arguments = words[0], words[1:]
        return read_script(shell.proc, words[0])
    shell.invoked = "s"
    parts = []
    while data := await shell.proc.read(0, 65536):
        parts.append(data)
    return os.fsdecode(b"".join(parts))
