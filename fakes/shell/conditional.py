"""Evaluates `[[ ... ]]`."""

from ..processes.process import SandboxProcess
from ..programs import SHELL_UTILITIES, Dialect
from .expand import Expansion
from .syntax import ConditionalExpression, ConditionalPrimary, Literal, Word
from .words import Unknown

_EQUAL = ("=", "==", "!=")
_OTHERS = (
    "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
)  # fmt: skip


async def holds(
    proc: SandboxProcess,
    expansion: Expansion,
    condition: ConditionalExpression | ConditionalPrimary,
) -> bool:
    """Whether a condition holds; what need not be looked at is not expanded.

    Raises:
        Unknown: names an operator that is not known.
    """
    if isinstance(condition, ConditionalPrimary):
        return await _check(proc, expansion, condition.words)
    if condition.operator == "!":
        return not await holds(proc, expansion, condition.parts[0])
    wanted = condition.operator == "||"
    for part in condition.parts:
        if await holds(proc, expansion, part) == wanted:
            return wanted
    return not wanted


async def _check(proc: SandboxProcess, expansion: Expansion, words: tuple[Word, ...]) -> bool:
    if len(words) == 1:
        return await expansion.text(words[0]) != ""
    operator = _literal(words[1] if len(words) == 3 else words[0])
    if len(words) == 3 and operator in _EQUAL:
        text = expansion.bytes_only(await expansion.text(words[0]))
        return (await expansion.pattern(words[2])).matches(text) == (operator != "!=")
    if (len(words) == 2 and operator[:1] == "-") or (len(words) == 3 and operator in _OTHERS):
        arguments = [await expansion.text(word) for word in words]
        return await SHELL_UTILITIES[Dialect.BASH]["test"](proc, ("test", *arguments)) == 0
    raise Unknown(f"the operator {operator or '?'} in [[ ... ]]")


def _literal(word: Word) -> str:
    return "".join(part.text for part in word if isinstance(part, Literal))
