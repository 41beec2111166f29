"""The commands of a shell that change the shell itself."""

import os
import re
from collections.abc import Awaitable, Callable

from ..processes.process import Exit, SandboxProcess
from ..programs import UTILITIES, NotSupported, complain, problem, run, signal_number
from .control import Break, Return
from .state import ShellState, working_directory
from .variable_builtins import export, local, read, set_, unset

Builtin = Callable[[ShellState, list[str]], Awaitable[int]]


async def colon(shell: ShellState, words: list[str]) -> int:
    """Do nothing."""
    return 0


async def dot(shell: ShellState, words: list[str]) -> int:
    """Run a file in this shell."""
    if len(words) < 2:
        raise NotSupported("no file")
    text = read_script(shell.proc, words[1])
    try:
        return await shell.run_text(text)
    except Return as error:
        return error.code


def read_script(proc: SandboxProcess, path: str) -> str:
    """The text of a script."""
    handle = proc.fs.open(path, os.O_RDONLY, base=proc.cwd)
    try:
        return os.fsdecode(handle.pread(0, handle.inode.size))
    finally:
        handle.close()


async def break_(shell: ShellState, words: list[str]) -> int:
    """Leave a loop."""
    raise Break(_count(words), again=False)


async def continue_(shell: ShellState, words: list[str]) -> int:
    """Begin the next turn of a loop."""
    raise Break(_count(words), again=True)


async def cd(shell: ShellState, words: list[str]) -> int:
    """Change the folder."""
    proc = shell.proc
    arguments = [word for word in words[1:] if word not in ("-L", "-P", "--")]
    target = arguments[0] if arguments else shell.lookup("HOME") or "/"
    if target == "-":
        target = shell.lookup("OLDPWD") or ""
    before = working_directory(proc)
    try:
        proc.chdir(target)
    except OSError as error:
        await complain(proc, shell.name, f"1: cd: {problem(error)}")
        return 1 if shell.bash else 2
    shell.assign("OLDPWD", before)
    shell.assign("PWD", working_directory(proc))
    if arguments[:1] == ["-"]:
        await proc.say(working_directory(proc) + "\n")
    return 0


async def command(shell: ShellState, words: list[str]) -> int:
    """Run a command though a function has its name, or say with `-v` what a name means."""
    if words[1:2] == ["-v"]:
        return await _where(shell, words[2:])
    if len(words) < 2 or words[1].startswith("-"):
        raise NotSupported(" ".join(words[:2]))
    if words[1] in BUILTINS:
        return await BUILTINS[words[1]](shell, words[1:])
    if words[1] in UTILITIES and words[1] in ("echo", "test", "[", "printf", "true", "false"):
        return await run(shell.proc, UTILITIES[words[1]], words[1:])
    return (await shell.start(words[1:]).wait()).returncode


async def _where(shell: ShellState, names: list[str]) -> int:
    code = 0
    for name in names:
        found = name if name in BUILTINS or name in shell.functions else shell.which(name)
        if found is None:
            code = 127
        else:
            await shell.proc.say(found + "\n")
    return code


async def eval_(shell: ShellState, words: list[str]) -> int:
    """Run words as a script."""
    return await shell.run_text(" ".join(words[1:]))


async def exit_(shell: ShellState, words: list[str]) -> int:
    """End the shell."""
    raise Exit(_code(words[1]) if len(words) > 1 else shell.last)


async def return_(shell: ShellState, words: list[str]) -> int:
    """Leave a function."""
    raise Return(_code(words[1]) if len(words) > 1 else shell.last)


async def shift(shell: ShellState, words: list[str]) -> int:
    """Drop the first arguments."""
    count = _count(words)
    if count > len(shell.arguments):
        await complain(shell.proc, shell.name, "1: shift: can't shift that many")
        raise Exit(2)
    del shell.arguments[:count]
    return 0


async def trap(shell: ShellState, words: list[str]) -> int:
    """Say what happens when a signal comes, or at the end (`EXIT`)."""
    arguments = words[2:] if words[1:2] == ["--"] else words[1:]
    if len(arguments) < 2:
        raise NotSupported("trap with fewer than two arguments")
    action, *names = arguments
    for name in names:
        number = 0 if name in ("EXIT", "0") else signal_number(name)
        if action == "-":
            shell.traps.pop(number, None)
            shell.proc.handlers.pop(number, None)
            continue
        shell.traps[number] = action
        if number:
            shell.proc.handlers[number] = shell.on_signal if action else None
    return 0


async def umask(shell: ShellState, words: list[str]) -> int:
    """Show or set which permission bits new files do not get."""
    if len(words) == 1:
        await shell.proc.say(f"{shell.proc.umask:04o}\n")
    elif re.fullmatch("[0-7]+", words[1]):
        shell.proc.umask = int(words[1], 8) & 0o777
    else:
        raise NotSupported(f"the mask {words[1]!r}")
    return 0


async def wait(shell: ShellState, words: list[str]) -> int:
    """Wait for what runs in the background; a signal with a trap interrupts."""
    wanted = [job for job in shell.jobs if not words[1:] or str(job.pid) in words[1:]]
    code = 127 if words[1:] and not wanted else 0
    for job in wanted:
        number = await _wait_for(shell, job)
        if number:
            return 128 + number
        assert job.status is not None
        code = job.status.returncode if words[1:] else 0
        shell.jobs.remove(job)
    return code


async def _wait_for(shell: ShellState, job: SandboxProcess) -> int:
    """Wait for a job; the number of a signal that came first, else 0."""
    job.at_end.append(shell.caught.notify_all)
    while job.status is None and not shell.pending:
        await shell.caught.wait()
    shell.proc.check()
    return shell.pending[0] if job.status is None else 0


def _count(words: list[str]) -> int:
    return _code(words[1]) if len(words) > 1 else 1


def _code(word: str) -> int:
    if not word.isdigit():
        raise NotSupported(f"the number {word!r}")
    return int(word)


#: Commands whose assignments stay, and whose failed redirections end the shell.
SPECIAL = frozenset(
    (":", ".", "break", "continue", "eval", "exec", "exit", "export", "return", "set", "shift",
     "trap", "unset")
)  # fmt: skip

BUILTINS: dict[str, Builtin] = {
    ":": colon,
    ".": dot,
    "source": dot,
    "break": break_,
    "cd": cd,
    "command": command,
    "continue": continue_,
    "eval": eval_,
    "exit": exit_,
    "export": export,
    "local": local,
    "read": read,
    "return": return_,
    "set": set_,
    "shift": shift,
    "trap": trap,
    "umask": umask,
    "unset": unset,
    "wait": wait,
}

#: Commands that real shells have and this one has not.
NOT_BUILTIN = frozenset(
    ("alias", "bg", "declare", "dirs", "disown", "fc", "fg", "getopts", "hash", "jobs", "let",
     "mapfile", "popd", "pushd", "readonly", "shopt", "suspend", "times", "type", "typeset",
     "ulimit", "unalias")
)  # fmt: skip
