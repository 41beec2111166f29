"""The parts of a shell script, as the parser finds them."""

from collections.abc import Sequence
from dataclasses import field

from pytest_sandbox._shared.lazy_dataclass import dataclass

#: Words that are no commands where a command may begin.
KEYWORDS = frozenset(
    ("if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac",
     "in", "{", "}", "!")
)  # fmt: skip


@dataclass(frozen=True)
class Literal:
    """Text as it is; patterns in it count unless it is quoted."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Tilde:
    """`~` at the start of a word: the value of `HOME`."""


@dataclass(frozen=True)
class Parameter:
    """`$name` or `${name...}`.

    Attributes:
        name: of a variable, a digit, or one of `@*#?$!-`.
        operator: `:-`, `-`, `:=`, `=`, `:?`, `?`, `:+`, `+`, `%`, `%%`, `#`, `##`, `length` or "".
        word: what follows the operator.
        quoted: inside double quotes.
    """

    name: str
    operator: str = ""
    word: "Word" = ()
    quoted: bool = False


@dataclass(frozen=True)
class Substitution:
    """`$(...)` or backquotes: the output of a script."""

    script: "CommandList"
    quoted: bool = False


@dataclass(frozen=True)
class Arithmetic:
    """`$((...))`."""

    expression: "Word"
    quoted: bool = False


Part = Literal | Tilde | Parameter | Substitution | Arithmetic
#: Filled in later where it is the text of a here-document.
Word = Sequence[Part]


@dataclass(frozen=True)
class Redirect:
    """`2> file` and its relatives.

    Attributes:
        fd: the descriptor that is replaced.
        operator: `<`, `>`, `>>`, `<>`, `<&`, `>&`, `&>` or `text` (here-documents and -strings).
        target: a path, a descriptor or `-`, or the text itself.
    """

    fd: int
    operator: str
    target: Word


@dataclass(frozen=True)
class Simple:
    """Assignments, words and redirections."""

    assignments: tuple[tuple[str, Word], ...] = ()
    words: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """Commands joined by `|`; `negated` by `!`."""

    commands: tuple["Command", ...]
    negated: bool = False


@dataclass(frozen=True)
class AndOr:
    """Pipelines joined by `&&` and `||`; `background` if `&` follows."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...] = ()
    background: bool = False


@dataclass(frozen=True)
class CommandList:
    """Commands one after another."""

    items: tuple[AndOr, ...]


@dataclass(frozen=True)
class Group:
    """`{ ...; }`, or with `subshell` `( ... )`."""

    body: CommandList
    subshell: bool = False


@dataclass(frozen=True)
class If:
    """Conditions with what they lead to, and what happens otherwise."""

    branches: tuple[tuple[CommandList, CommandList], ...]
    otherwise: CommandList | None = None


@dataclass(frozen=True)
class Loop:
    """`while`, or `until`."""

    condition: CommandList
    body: CommandList
    until: bool = False


@dataclass(frozen=True)
class For:
    """`for name in words`; without `words` over the arguments."""

    name: str
    words: tuple[Word, ...] | None
    body: CommandList


@dataclass(frozen=True)
class Case:
    """`case word in pattern) ...;; esac`."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], CommandList], ...]


@dataclass(frozen=True)
class ConditionalPrimary:
    """The words of one condition inside `[[ ... ]]`."""

    words: tuple[Word, ...]


@dataclass(frozen=True)
class ConditionalExpression:
    """`[[ ... ]]`: checks joined by `&&` and `||`, or turned round by `!`."""

    operator: str
    parts: tuple["ConditionalExpression | ConditionalPrimary", ...]


@dataclass(frozen=True)
class Function:
    """`name() command`."""

    name: str
    body: "Command"


@dataclass(frozen=True)
class Redirected:
    """A compound command with redirections."""

    command: "Command"
    redirects: tuple[Redirect, ...] = field(default=())


Command = Simple | Group | If | Loop | For | Case | ConditionalExpression | Function | Redirected
