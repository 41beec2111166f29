"""Kinds of GPUs: how Modal names them, and what the driver calls them."""

import difflib
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: The kinds that Modal has, as one asks for them: what `nvidia-smi` calls them, and their MiB.
KINDS = {
    "T4": ("Tesla T4", 15360),
    "L4": ("NVIDIA L4", 23034),
    "A10": ("NVIDIA A10G", 23028),
    "A10G": ("NVIDIA A10G", 23028),
    "A100": ("NVIDIA A100-SXM4-40GB", 40960),
    "A100-40GB": ("NVIDIA A100-SXM4-40GB", 40960),
    "A100-80GB": ("NVIDIA A100-SXM4-80GB", 81920),
    "L40S": ("NVIDIA L40S", 46068),
    "RTX-PRO-6000": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887),
    "H100": ("NVIDIA H100 80GB HBM3", 81559),
    "H200": ("NVIDIA H200", 143771),
    "B200": ("NVIDIA B200", 183359),
}
#: Further ones, which are no misspelt ones of Modal's.
_OTHERS = """
    A2 A16 A30 A30X A40 A100X A400 A500 A800 A1000 A2000 A3000 A4000 A4500 A5000 A5500 A6000 B100
    B300 GB10 GB200 GB300 GH200 GV100 H20 H800 K10 K20 K40 K80 K520 L2 L20 L40 L40G M4 M6 M10 M40
    M60 P4 P6 P40 P100 P400 P600 P1000 P2000 P4000 P5000 P6000 T4G T400 T500 T550 T600 T1000 T1200
    T2000 V100 V100S
""".split()  # noqa: SIM905 - easier to read and to sort
#: Cards, of which there are too many for a list.
_CARD = re.compile(r"(?:GEFORCE|QUADRO)?[GR]TX(?:A|PRO)?\d{3,4}(?:TI|SUPER|D)*")
#: How people write a number of GPUs elsewhere: `2xH100`, `H100 x 2`.
_AMOUNT = re.compile(r"(\d+) ?[X*] ?(\S+)|(\S+?) ?[X*] ?(\d+)")
#: What is easily taken for a digit.
_LOOK_ALIKE = str.maketrans("OIQ", "010")
#: How similar names have to be so that one is a misspelt other: `A100-80G` and `A100-80GB` are,
#: `V100` and `H100` are not.
_SIMILAR = 0.8


def is_of_kind(kind: str, *names: str) -> bool:
    """Whether all words of a kind, as one asks for it, are in the names of a device.

    Spaces and hyphens do not count: `RTX4090` and `H-100` are kinds too.
    """
    asked = _words(kind)
    if set(asked) <= {word for name in names for word in _words(name)}:
        return True
    return any("".join(asked) in _runs(_words(name)) for name in names)


def misspelt(kind: str, there: "Iterable[str]" = ()) -> str:
    """The kind that is probably meant by one that does not exist; empty if it may exist.

    Args:
        kind: as one asks for it.
        there: names of devices of the machine.
    """
    asked = kind.upper()
    joined = _joined(kind)
    known = [*KINDS, *_OTHERS]
    parts = {part for name, _ in KINDS.values() for part in _runs(_words(name))}
    if joined in {*map(_joined, known), *parts} or any(is_of_kind(kind, name) for name in there):
        return ""
    if found := _AMOUNT.fullmatch(asked):
        number, name = (found[1], found[2]) if found[1] else (found[4], found[3])
        if name in known:
            return f"{name}:{number}"
    looks_like = re.sub(r"(?<=[A-Z0-9])[OIQ]", lambda found: found[0].translate(_LOOK_ALIKE), asked)
    if looks_like != asked and (looks_like in known or _CARD.fullmatch(_joined(looks_like))):
        return looks_like
    near = difflib.get_close_matches(asked, known, n=1, cutoff=_SIMILAR)
    if near and _letters(near[0]) != _letters(asked):
        return near[0]
    one_off = [each for each in known if _is_one_off(joined, _joined(each))]
    return "".join(difflib.get_close_matches(asked, one_off, n=1, cutoff=0))


def _is_one_off(name: str, other: str) -> bool:
    """Whether one character was changed, added or left out, or two neighbours changed places."""
    if len(name) > len(other):
        name, other = other, name
    pairs = enumerate(zip(name, other, strict=False))
    start = next((index for index, (one, two) in pairs if one != two), len(name))
    rest, longer = name[start:], other[start:]
    if len(name) < len(other):
        return rest == longer[1:]
    return rest[1:] == longer[1:] or (rest[1::-1] == longer[:2] and rest[2:] == longer[2:])


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z0-9]+", name.upper())


def _joined(name: str) -> str:
    return "".join(_words(name))


def _runs(words: "list[str]") -> "set[str]":
    """What neighbouring words are together, as one word."""
    ends = range(1, len(words) + 1)
    return {"".join(words[start:end]) for end in ends for start in range(end)}


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z]", "", name)
