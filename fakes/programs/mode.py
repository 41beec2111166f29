"""Permission bits as chmod(1) writes them."""

from .utility import NotSupported

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}


def parse_mode(spec: str, mode: int, umask: int, *, directory: bool = False) -> int:
    """The bits that `spec` makes of `mode`.

    Raises:
        NotSupported: it is neither octal nor like `u+x,go-w`.
    """
    if spec.isdigit() and not set(spec) & set("89"):
        return int(spec, 8) & 0o7777
    for clause in spec.split(","):
        mode = _clause(clause, mode, umask, directory=directory)
    return mode


def _clause(clause: str, mode: int, umask: int, *, directory: bool) -> int:
    who = clause[: len(clause) - len(clause.lstrip("ugoa"))]
    operator, what = clause[len(who) : len(who) + 1], clause[len(who) + 1 :]
    if operator not in ("+", "-", "=") or set(what) - {*_WHAT, "X"}:
        raise NotSupported(f"the mode {clause!r}")
    reach = 0
    for letter in who or "a":
        reach |= _WHO[letter]
    bits = 0
    for letter in what:
        execute = directory or mode & 0o111
        bits |= _WHAT.get(letter, 0o111 if execute else 0)
    bits &= reach & (0o7777 if who else ~umask)
    if operator == "+":
        return mode | bits
    return mode & ~bits if operator == "-" else mode & ~(reach & 0o777) | bits
