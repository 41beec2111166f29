"""Evaluates `$((...))`: whole numbers, variables, and the operators of C without assignments."""

import re
from collections.abc import Callable

from .words import SyntaxProblem, Unknown

_TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|\*\*|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--"
    r"|[-+*/%&|^]=|[-+*/%<>=!~&|^?:(),])"
)
_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda a, b: int(bool(a or b))},
    {"&&": lambda a, b: int(bool(a and b))},
    {"|": lambda a, b: a | b},
    {"^": lambda a, b: a ^ b},
    {"&": lambda a, b: a & b},
    {"==": lambda a, b: int(a == b), "!=": lambda a, b: int(a != b)},
    {
        "<": lambda a, b: int(a < b),
        ">": lambda a, b: int(a > b),
        "<=": lambda a, b: int(a <= b),
        ">=": lambda a, b: int(a >= b),
    },
    {"<<": lambda a, b: a << b % 64, ">>": lambda a, b: a >> b % 64},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: _divide(a, b), "%": lambda a, b: _rest(a, b)},
)
_ASSIGNING = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--"}


def evaluate(text: str, value_of: Callable[[str], str]) -> int:
    """The value of an expression, wrapped to 64 bits.

    Raises:
        SyntaxProblem: it is no expression, or divides by zero.
        Unknown: it assigns.
    """
    return _wrap(_Evaluation(_tokens(text), value_of).whole())


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if not found:
            raise SyntaxProblem(f"arithmetic expression: {text.strip()!r}")
        if found[1] in _ASSIGNING:
            raise Unknown(f"the operator {found[1]} in $((...))")
        tokens.append(found[1])
        position = found.end()
    return tokens


class _Evaluation:
    def __init__(self, tokens: list[str], value_of: Callable[[str], str]) -> None:
        self._tokens = tokens
        self._value_of = value_of

    def whole(self) -> int:
        if not self._tokens:
            return 0
        value = self._choice()
        if self._tokens:
            raise SyntaxProblem(f"arithmetic expression: {self._tokens[0]!r} unexpected")
        return value

    def _choice(self) -> int:
        condition = self._level(0)
        if self._tokens[:1] != ["?"]:
            return condition
        del self._tokens[0]
        one = self._choice()
        self._expect(":")
        two = self._choice()
        return one if condition else two

    def _level(self, depth: int) -> int:
        if depth == len(_LEVELS):
            return self._unary()
        value = self._level(depth + 1)
        while self._tokens and self._tokens[0] in _LEVELS[depth]:
            operator = self._tokens.pop(0)
            value = _wrap(_LEVELS[depth][operator](value, self._level(depth + 1)))
        return value

    def _unary(self) -> int:
        token = self._tokens.pop(0) if self._tokens else ""
        if token in ("-", "+", "!", "~"):
            value = self._unary()
            return {"-": -value, "+": value, "!": int(not value), "~": ~value}[token]
        if token == "(":  # noqa: S105  a token of an expression
            value = self._choice()
            self._expect(")")
            return value
        if token[:1].isdigit():
            return _number(token)
        if token[:1].isalpha() or token[:1] == "_":
            return _number(self._value_of(token) or "0")
        raise SyntaxProblem(f"arithmetic expression: {token!r} unexpected")

    def _expect(self, token: str) -> None:
        if self._tokens[:1] != [token]:
            raise SyntaxProblem(f"arithmetic expression: {token!r} expected")
        del self._tokens[0]


def _number(text: str) -> int:
    try:
        octal = len(text) > 1 and text[0] == "0" and text.isdigit()
        return int(text, 8 if octal else 0)
    except ValueError:
        raise SyntaxProblem(f"arithmetic expression: {text!r} is not a number") from None


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise SyntaxProblem("arithmetic expression: division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _rest(a: int, b: int) -> int:
    return a - b * _divide(a, b)


def _wrap(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
