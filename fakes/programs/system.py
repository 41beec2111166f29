"""Programs about processes, time, the machine and the terminal."""

import posixpath
import signal
import stat
from collections.abc import Sequence

from pytest_sandbox.engine import PtySize

from ..files.inode import Device, Directory, Inode, Regular, Symlink
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


async def test(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Evaluate a condition; `[` is the same and wants a `]` at the end."""
    words = list(argv[1:])
    if argv[0].rpartition("/")[2] == "[" and (not words or words.pop() != "]"):
        await complain(proc, "[", "missing ]")
        return 2
    condition = _Condition(proc, words)
    try:
        holds = condition.either()
    except ValueError as error:
        await complain(proc, "test", f"Illegal number: {error}")
        return 2
    if condition.words:
        raise NotSupported(f"the condition {' '.join(argv[1:])!r}")
    return 0 if holds else 1


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(text) from None


class _Condition:
    """A recursive reader of conditions; it takes the words it has read."""

    def __init__(self, proc: SandboxProcess, words: list[str]) -> None:
        self._proc = proc
        self.words = words

    def either(self) -> bool:
        holds = self._both()
        while self.words[:1] == ["-o"]:
            del self.words[0]
            holds = self._both() or holds
        return holds

    def _both(self) -> bool:
        holds = self._not()
        while self.words[:1] == ["-a"]:
            del self.words[0]
            holds = self._not() and holds
        return holds

    def _not(self) -> bool:
        if self.words[:1] == ["!"] and len(self.words) > 1:
            del self.words[0]
            return not self._not()
        return self._primary()

    def _primary(self) -> bool:
        words = self.words
        if not words:
            return False
        if len(words) >= 3 and words[1] in _BINARY:
            left, operator, right = words[:3]
            del words[:3]
            return self._binary(left, operator, right)
        if words[0] == "(":
            del words[0]
            holds = self.either()
            if words[:1] != [")"]:
                raise NotSupported("a condition without its )")
            del words[0]
            return holds
        if len(words) >= 2 and words[0] in _UNARY:
            operator, operand = words[:2]
            del words[:2]
            return self._unary(operator, operand)
        return words.pop(0) != ""

    def _binary(self, left: str, operator: str, right: str) -> bool:
        if operator in ("=", "=="):
            return left == right
        if operator == "!=":
            return left != right
        if operator in ("-nt", "-ot", "-ef"):
            return self._files(left, operator, right)
        one, two = _number(left), _number(right)
        return {
            "-eq": one == two, "-ne": one != two, "-lt": one < two,
            "-le": one <= two, "-gt": one > two, "-ge": one >= two,
        }[operator]  # fmt: skip

    def _files(self, left: str, operator: str, right: str) -> bool:
        one, two = self._inode(left), self._inode(right)
        if one is None or two is None:
            return (operator == "-nt" and one is not None) or (
                operator == "-ot" and two is not None
            )
        if operator == "-ef":
            return one is two
        return one.mtime_ns > two.mtime_ns if operator == "-nt" else one.mtime_ns < two.mtime_ns

    def _unary(self, operator: str, operand: str) -> bool:
        if operator in ("-n", "-z"):
            return (operand != "") == (operator == "-n")
        if operator == "-t":
            description = self._proc.fds.get(number(operand, "descriptor"))
            return description is not None and description.terminal is not None
        inode = self._inode(operand, follow=operator not in ("-h", "-L"))
        if inode is None:
            return False
        kinds: dict[str, type[Inode]] = {
            "-f": Regular, "-d": Directory, "-h": Symlink, "-L": Symlink, "-c": Device,
        }  # fmt: skip
        if operator in kinds:
            return isinstance(inode, kinds[operator])
        if operator == "-s":
            return inode.size > 0
        if operator == "-x":
            return isinstance(inode, Directory) or bool(inode.mode & 0o111)
        if operator in ("-u", "-g", "-k"):
            bit = {"-u": stat.S_ISUID, "-g": stat.S_ISGID, "-k": stat.S_ISVTX}[operator]
            return bool(inode.mode & bit)
        return operator in ("-e", "-r", "-w")

    def _inode(self, path: str, *, follow: bool = True) -> Inode | None:
        try:
            return self._proc.fs.lookup(path, base=self._proc.cwd, follow=follow)
        except OSError:
            return None


_UNARY = {f"-{letter}" for letter in "nztefdhLcsrwxugkpSb"}
_BINARY = {
    "=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
}  # fmt: skip
