"""`test`, which is also `[`."""

import os
import re
import stat
from collections.abc import Sequence

from ..files.inode import Device, Directory, Inode, Regular, Symlink
from ..processes.process import SandboxProcess
from .dialect import Dialect
from .utility import NotSupported, Utility, complain, number


def test(dialect: Dialect) -> Utility:
    """Evaluates a condition; `[` is the same and wants a `]` at the end."""

    async def run(proc: SandboxProcess, argv: Sequence[str]) -> int:
        return await _test(proc, argv, dialect)

    return run


async def _test(proc: SandboxProcess, argv: Sequence[str], dialect: Dialect) -> int:
    words = list(argv[1:])
    if argv[0].rpartition("/")[2] == "[" and (not words or words.pop() != "]"):
        await complain(proc, "[", "missing ]")
        return 2
    if not words:
        return 1
    if words[:3] == ["!"] * 3:
        raise NotSupported("a threefold !")
    condition = _Condition(proc, words, dialect)
    try:
        holds = condition.either()
    except ValueError as error:
        await complain(proc, "test", f"Illegal number: {error}")
        return 2
    except _UnexpectedOperator as error:
        await complain(proc, "[", f"{error}: unexpected operator")
        return 2
    if condition.words:
        raise NotSupported(f"the condition {' '.join(argv[1:])!r}")
    return 0 if holds else 1


_NUMBER = re.compile(r"[ \t\n]*[+-]?[0-9]+[ \t\n]*")


class _UnexpectedOperator(Exception):
    """What bash compares with, and dash does not know."""


class _Condition:
    """A recursive reader of conditions; it takes the words it has read."""

    def __init__(self, proc: SandboxProcess, words: list[str], dialect: Dialect) -> None:
        self._proc = proc
        self._dialect = dialect
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
            raise NotSupported("an incomplete condition")
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
        if operator == "==" and self._dialect == Dialect.DASH:
            raise _UnexpectedOperator(left)
        if operator in ("=", "=="):
            return left == right
        if operator == "!=":
            return left != right
        if operator in ("<", ">"):
            if self._dialect == Dialect.COREUTILS:
                raise NotSupported(f"the operator {operator}")
            one, two = os.fsencode(left), os.fsencode(right)
            return one < two if operator == "<" else one > two
        if operator in ("-nt", "-ot", "-ef"):
            return self._files(left, operator, right)
        return self._numbers(left, operator, right)

    def _numbers(self, left: str, operator: str, right: str) -> bool:
        one, two = self._number(left), self._number(right)
        return {
            "-eq": one == two, "-ne": one != two, "-lt": one < two,
            "-le": one <= two, "-gt": one > two, "-ge": one >= two,
        }[operator]  # fmt: skip

    def _number(self, text: str) -> int:
        value = int(text) if _NUMBER.fullmatch(text) else None
        # Shells count in 64 bits; coreutils compare digits.
        bounded = self._dialect != Dialect.COREUTILS
        if value is None or (bounded and not -(1 << 63) <= value < 1 << 63):
            raise ValueError(text)
        return value

    def _files(self, left: str, operator: str, right: str) -> bool:
        one, two = self._inode(left), self._inode(right)
        if one is None or two is None:
            if self._dialect == Dialect.DASH:
                return False
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
    "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
}  # fmt: skip
