"""Programs about processes, time, the machine and the terminal."""

import posixpath
import re
import signal
from collections.abc import Sequence

from pytest_sandbox.engine import PtySize

from ..processes.process import SandboxProcess
from .paths import some
from .utility import NotSupported, complain, execute, number, options, signal_number


async def true(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Succeed."""
    return 0


async def false(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Fail."""
    return 1


async def pwd(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print the working directory, without symbolic links in its path."""
    _, rest = options(argv, "P", {"physical": "P"})
    if rest:
        await complain(proc, "pwd", "ignoring non-option arguments")
    await proc.say(proc.fs.path_of(proc.cwd) + "\n")
    return 0


async def env(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print the environment, or run a command in another one."""
    long = {"ignore-environment": "i", "unset": "u", "null": "0"}
    given, words = options(argv, "iu:0", long, permute=False, once="u")
    if words[:1] == ["-"]:
        del words[0]
        given["-i"] = ""
    unset = given.get("-u")
    if unset is not None and ("=" in unset or not unset):
        raise NotSupported(f"unsetting {unset!r}")
    values = {} if "-i" in given else dict(proc.env)
    values.pop(unset or "", None)
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        if not name:
            raise NotSupported("a variable without a name")
        values[name] = value
    if words and "-0" in given:
        raise NotSupported("option -0 with a command")
    if not words:
        end = "\0" if "-0" in given else "\n"
        await proc.say("".join(f"{name}={value}{end}" for name, value in values.items()))
        return 0
    return await execute(proc, words, values)


async def printenv(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print the environment, or the values of variables; 1 if one of them is not set."""
    given, names = options(argv, "0", {"null": "0"}, permute=False)
    end = "\0" if "-0" in given else "\n"
    if not names:
        await proc.say("".join(f"{name}={value}{end}" for name, value in proc.env.items()))
    there = [name for name in names if name in proc.env]
    await proc.say("".join(f"{proc.env[name]}{end}" for name in there))
    return 0 if len(there) == len(names) else 1


async def uname(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """What the machine is; only its own name tells anything."""
    given, rest = options(argv, "asnrvmo")
    if rest:
        raise NotSupported(f"the operand {rest[0]!r}")
    facts = {
        "-s": "Linux",
        "-n": proc.kernel.spec.hostname,
        "-r": "0.0.0-memory",
        "-v": "#1",
        "-m": "x86_64",
        "-o": "GNU/Linux",
    }
    wanted = list(facts) if "-a" in given else list(given) or ["-s"]
    await proc.say(" ".join(facts[flag] for flag in facts if flag in wanted) + "\n")
    return 0


async def hostname(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The name of the machine."""
    _, rest = options(argv, "")
    if rest:
        raise NotSupported("setting the name")
    await proc.say(proc.kernel.spec.hostname + "\n")
    return 0


async def whoami(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Who runs this: root, always."""
    _, rest = options(argv, "")
    if rest:
        raise NotSupported(f"the operand {rest[0]!r}")
    await proc.say("root\n")
    return 0


async def basename(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The last component of a path, or with `-a` of each; `-s` removes a suffix."""
    long = {"multiple": "a", "suffix": "s", "zero": "z"}
    given, paths = options(argv, "as:z", long, permute=False)
    suffix = given.get("-s", "")
    if not {"-a", "-s"} & set(given):
        if len(paths) > 2:
            await complain(proc, "basename", "extra operand")
            return 1
        suffix = "".join(paths[1:])
        del paths[1:]
    end = "\0" if "-z" in given else "\n"
    for path in some(paths):
        name = posixpath.basename(path.rstrip("/")) or path[:1]
        await proc.say((name.removesuffix(suffix) if name != suffix else name) + end)
    return 0


async def dirname(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """A path without its last component."""
    given, paths = options(argv, "z", {"zero": "z"})
    end = "\0" if "-z" in given else "\n"
    for path in some(paths):
        above = path.rstrip("/").rpartition("/")
        shown = above[0].rstrip("/") or above[1] or ("/" if path[:1] == "/" else ".")
        await proc.say(shown + end)
    return 0


async def kill(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Send a signal, `TERM` unless another is named, to processes or groups."""
    words = list(argv[1:])
    sent: int = signal.SIGTERM
    if not words or words == ["--"]:
        raise NotSupported("a call without a process")
    if words[:1] == ["-l"]:  # which each shell shows in a layout of its own
        raise NotSupported("option -l")
    if words[:1] == ["-s"] and len(words) > 1:
        sent, words = signal_number(words[1]), words[2:]
    elif words and words[0].startswith("-") and len(words) > 1 and words[0] != "--":
        sent, words = signal_number(words[0][1:]), words[1:]
    words = words[1:] if words[:1] == ["--"] else words
    if not words or any(re.fullmatch("-0+", word) for word in words):
        raise NotSupported("a call without a process")
    code = 0
    for word in words:
        pid = number(word, "process")
        targets = [p for p in proc.kernel.processes.values() if pid in (p.pid, -p.group)]
        if pid == 0:
            targets = [p for p in proc.kernel.processes.values() if p.group == proc.group]
        if not targets:
            await complain(proc, "kill", f"({pid}) - No such process")
            code = 1
        for target in targets:
            target.kill(sent)
    proc.check()
    return code


async def tty(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The name of the terminal that is standard input."""
    given, rest = options(argv, "s", {"silent": "s", "quiet": "s"})
    if rest:
        raise NotSupported(f"the operand {rest[0]!r}")
    terminal = proc.fds[0].terminal if 0 in proc.fds else None
    if "-s" not in given:
        await proc.say((terminal.name if terminal else "not a tty") + "\n")
    return 0 if terminal else 1


async def stty(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Show the size of the terminal, or set how it treats input and output."""
    terminal = proc.fds[0].terminal if 0 in proc.fds else None
    if terminal is None:
        await complain(proc, "stty", "standard input: Inappropriate ioctl for device")
        return 1
    words = list(argv[1:])
    if not words:
        raise NotSupported("showing all settings")
    while words:
        word = words.pop(0)
        setting = {"echo": "echo", "icanon": "canonical", "isig": "signals", "opost": "processing"}
        name = word.removeprefix("-")
        if word == "size":
            await proc.say(f"{terminal.size.rows} {terminal.size.columns}\n")
        elif name in ("raw", "cooked"):
            value = word in ("-raw", "cooked")
            terminal.canonical = terminal.signals = terminal.processing = value
        elif word == "sane":
            terminal.canonical = terminal.signals = terminal.processing = terminal.echo = True
        elif word in ("rows", "cols", "columns") and words:
            amount, size = number(words.pop(0), "size"), terminal.size
            rows, columns = (amount, size.columns) if word == "rows" else (size.rows, amount)
            terminal.resize(PtySize(rows, columns))
        elif name in setting:
            setattr(terminal, setting[name], not word.startswith("-"))
        else:
            raise NotSupported(f"the setting {word!r}")
    return 0
