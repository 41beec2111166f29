"""The commands of a shell that change the shell itself."""

import errno
import os
import posixpath
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..files.inode import Regular
from ..processes.process import Exit, SandboxProcess
from ..programs import NotSupported, complain, run, signal_number
from .control import Break, Return
from .directories import cd, pwd
from .inside import inside
from .state import ShellState
from .syntax import KEYWORDS
from .variable_builtins import export, local, read, set_, unset

Builtin = Callable[[ShellState, list[str]], Awaitable[int]]


async def colon(shell: ShellState, words: list[str]) -> int:
    """Do nothing."""
    return 0


async def dot(shell: ShellState, words: list[str]) -> int:
    """Run a file in this shell; bash gives it arguments, and finds it in the working directory."""
    if len(words) < 2:
        raise NotSupported("no file")
    text = read_script(shell.proc, _script_path(shell, words[1]))
    arguments = shell.arguments
    if shell.bash and words[2:]:
        shell.arguments = words[2:]
    shell.sourcing += 1
    try:
        return await shell.run_text(text)
    except Return as error:
        return error.code
    finally:
        shell.sourcing -= 1
        if shell.bash and words[2:]:
            shell.arguments = arguments


def _script_path(shell: ShellState, name: str) -> str:
    """Where a script is that `.` runs: a name without a slash is looked up in `PATH`."""
    if "/" in name:
        return name
    for folder in (shell.lookup("PATH") or "").split(":"):
        path = posixpath.join(folder or ".", name)
        with suppress(OSError):
            if isinstance(shell.proc.fs.lookup(path, base=shell.proc.cwd), Regular):
                return path
    if not shell.bash:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return name


def read_script(proc: SandboxProcess, path: str) -> str:
    """The text of a script."""
    handle = proc.fs.open(path, os.O_RDONLY, base=proc.cwd)
    try:
        return os.fsdecode(handle.pread(0, handle.inode.size))
    finally:
        handle.close()


async def break_(shell: ShellState, words: list[str]) -> int:
    """Leave a loop."""
    return await _leave(shell, words, again=False)


async def continue_(shell: ShellState, words: list[str]) -> int:
    """Begin the next turn of a loop."""
    return await _leave(shell, words, again=True)


async def _leave(shell: ShellState, words: list[str], *, again: bool) -> int:
    """Outside a loop, nothing happens."""
    levels = _count(words)
    if levels == 0 and shell.bash:
        raise NotSupported("the level 0")
    if levels == 0:
        await complain(shell.proc, shell.name, f"1: {words[0]}: Illegal number: 0")
        raise Exit(2)
    if not shell.loops:
        return 0
    raise Break(min(levels, shell.loops), again=again)


async def command(shell: ShellState, words: list[str]) -> int:
    """Run a command though a function has its name, or say with `-v` what a name means."""
    if words[1:2] == ["-v"]:
        return await _where(shell, words[2:])
    if len(words) < 2 or words[1].startswith("-"):
        raise NotSupported(" ".join(words[:2]))
    if words[1] == "exec":
        raise NotSupported("command exec")
    if words[1] in BUILTINS:
        return await BUILTINS[words[1]](shell, words[1:])
    utility = inside(words[1], bash=shell.bash)
    if utility:
        return await run(shell.proc, utility, words[1:])
    return (await shell.start(words[1:]).wait()).returncode


async def _where(shell: ShellState, names: list[str]) -> int:
    code = 0
    for name in names:
        known = name in KEYWORDS or name in shell.functions or name == "exec"
        known = known or name in builtins(shell) or inside(name, bash=shell.bash) is not None
        found = name if known else shell.which(name)
        if found is None:
            code = 1 if shell.bash else 127
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
    if shell.bash and not shell.locals and not shell.sourcing:
        raise NotSupported("return outside a function")
    raise Return(_code(words[1]) if len(words) > 1 else shell.last)


async def shift(shell: ShellState, words: list[str]) -> int:
    """Drop the first arguments."""
    count = _count(words)
    if count > len(shell.arguments):
        if shell.bash:
            return 1
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
    code = 0
    for word in words[1:] or [str(job.pid) for job in shell.jobs]:
        if not word.isdigit():
            raise NotSupported(f"the job {word!r}")
        job = next((job for job in shell.jobs if job.pid == int(word)), None)
        if job is not None:
            number = await _wait_for(shell, job)
            if number:
                return 128 + number
            assert job.status is not None
            shell.jobs.remove(job)
            shell.codes[job.pid] = job.status.returncode
        code = shell.codes.get(int(word), 127)
    return code if words[1:] else 0


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
    "pwd": pwd,
    "read": read,
    "return": return_,
    "set": set_,
    "shift": shift,
    "trap": trap,
    "umask": umask,
    "unset": unset,
    "wait": wait,
}


def builtins(shell: ShellState) -> dict[str, Builtin]:
    """Those of `sh`, or of bash."""
    return BUILTINS if shell.bash else {n: b for n, b in BUILTINS.items() if n != "source"}


#: Commands that real shells have and this one has not.
NOT_BUILTIN = frozenset(
    ("alias", "bg", "declare", "dirs", "disown", "fc", "fg", "getopts", "hash", "jobs", "let",
     "mapfile", "popd", "pushd", "readonly", "shopt", "suspend", "times", "type", "typeset",
     "ulimit", "unalias")
)  # fmt: skip
