"""Programs about processes, time, the machine and the terminal."""

import posixpath
import signal
from collections.abc import Sequence

from pytest_sandbox.engine import PtySize

from ..processes.process import SandboxProcess
from .utility import NotSupported, complain, execute, number, options, signal_number


async def true(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Succeed."""
    return 0


async def false(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Fail."""
    return 1


async def pwd(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print the working directory."""
    await proc.say(proc.fs.path_of(proc.cwd) + "\n")
    return 0


async def env(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print the environment, or run a command in another one."""
    words = list(argv[1:])
    values = dict(proc.env)
    while words and (words[0].startswith("-") or "=" in words[0]):
        word = words.pop(0)
        if word in ("-i", "-"):
            values.clear()
        elif word == "-u" and words:
            values.pop(words.pop(0), None)
        elif "=" in word and not word.startswith("-"):
            name, _, value = word.partition("=")
            values[name] = value
        else:
            raise NotSupported(f"option {word}")
    if not words:
        await proc.say("".join(f"{name}={value}\n" for name, value in values.items()))
        return 0
    return await execute(proc, words, values)


async def uname(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """What the machine is; only its own name tells anything."""
    given, _ = options(argv, "asnrvmo")
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
    options(argv, "")
    await proc.say(proc.kernel.spec.hostname + "\n")
    return 0


async def whoami(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Who runs this: root, always."""
    await proc.say("root\n")
    return 0


async def basename(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """The last component of a path."""
    if not 2 <= len(argv) <= 3:
        await complain(proc, "basename", "missing operand" if len(argv) < 2 else "extra operand")
        return 1
    name = posixpath.basename(argv[1].rstrip("/")) or argv[1][:1]
    suffix = argv[2] if len(argv) == 3 else ""
    await proc.say((name.removesuffix(suffix) if name != suffix else name) + "\n")
    return 0


async def dirname(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """A path without its last component."""
    if len(argv) < 2:
        await complain(proc, "dirname", "missing operand")
        return 1
    for path in argv[1:]:
        await proc.say((posixpath.dirname(path.rstrip("/") or "/") or ".") + "\n")
    return 0


async def kill(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Send a signal, `TERM` unless another is named, to processes or groups."""
    words = list(argv[1:])
    sent: int = signal.SIGTERM
    if words[:1] == ["-l"]:
        await proc.say(" ".join(each.name[3:] for each in signal.Signals) + "\n")
        return 0
    if words[:1] == ["-s"] and len(words) > 1:
        sent, words = signal_number(words[1]), words[2:]
    elif words and words[0].startswith("-") and len(words) > 1 and words[0] != "--":
        sent, words = signal_number(words[0][1:]), words[1:]
    code = 0
    for word in words[1:] if words[:1] == ["--"] else words:
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
    terminal = proc.fds[0].terminal if 0 in proc.fds else None
    await proc.say((terminal.name if terminal else "not a tty") + "\n")
    return 0 if terminal else 1


async def stty(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Show the size of the terminal, or set how it treats input and output."""
    terminal = proc.fds[0].terminal if 0 in proc.fds else None
    if terminal is None:
        await complain(proc, "stty", "standard input: Inappropriate ioctl for device")
        return 1
    words = list(argv[1:])
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
