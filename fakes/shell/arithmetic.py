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


def evaluate(text: str, value_of: Callable[[str], str], *, bash: bool) -> int:
    """The value of an expression, wrapped to 64 bits.

    Raises:
        SyntaxProblem: it is no expression, or divides by zero.
        Unknown: it assigns, or has what only bash has.
    """
    try:
        return _wrap(_Evaluation(_tokens(text, bash=bash), value_of, bash=bash).whole())
    except SyntaxProblem:
        if bash:  # which drops the line, and goes on with the next one
            raise Unknown(f"the expression {text.strip()!r} in $((...))") from None
        raise


def _tokens(text: str, *, bash: bool) -> list[str]:
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
    def __init__(self, tokens: list[str], value_of: Callable[[str], str], *, bash: bool) -> None:
        self._tokens = tokens
        self._value_of = value_of
        self._bash = bash
        self._unused = 0  # depth of what is read, and whose value does not count

    def whole(self) -> int:
        if not self._tokens and self._bash:
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
        one = self._value(self._choice, used=bool(condition))
        self._expect(":")
        two = self._value(self._choice, used=not condition)
        return one if condition else two

    def _value(self, read: Callable[[], int], *, used: bool) -> int:
        """Read a part; what is not used may divide by zero."""
        self._unused += not used
        try:
            return read()
        finally:
            self._unused -= not used

    def _level(self, depth: int) -> int:
        if depth == len(_LEVELS):
            return self._unary()
        value = self._level(depth + 1)
        while self._tokens and self._tokens[0] in _LEVELS[depth]:
            operator = self._tokens.pop(0)
            used = bool(value) != {"&&": False, "||": True}.get(operator)
            other = self._value(lambda: self._level(depth + 1), used=used)
            if operator in "/%" and other == 0 and self._unused:
                continue
            value = _wrap(_LEVELS[depth][operator](value, other))
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
            return self._number(token)
        if token[:1].isalpha() or token[:1] == "_":
            return self._number(self._value_of(token) or "0")
        raise SyntaxProblem(f"arithmetic expression: {token!r} unexpected")

    def _number(self, text: str) -> int:
        digits = text.strip(" \t\n")
        sign = -1 if digits[:1] == "-" else 1
        digits = digits[1:] if digits[:1] in ("+", "-") else digits
        try:
            octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
            value = sign * int(digits, 8 if octal else 0) if "_" not in digits else None
        except ValueError:
            value = None
        if value is None:  # bash would evaluate the text
            raise SyntaxProblem(f"arithmetic expression: {text!r} is not a number")
        return value if self._bash else min(max(value, -(1 << 63)), (1 << 63) - 1)

    def _expect(self, token: str) -> None:
        if self._tokens[:1] != [token]:
            raise SyntaxProblem(f"arithmetic expression: {token!r} expected")
        del self._tokens[0]


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise SyntaxProblem("arithmetic expression: division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _rest(a: int, b: int) -> int:
    return a - b * _divide(a, b)


def _wrap(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
