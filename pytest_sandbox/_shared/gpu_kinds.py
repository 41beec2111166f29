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
    A2 A16 A30 A40 A800 A2000 A4000 A5000 A6000 B100 B300 GB200 GB300 GH200 GV100 H20 H800 K80 L2
    L20 L40 M60 P4 P40 P100 P4000 P5000 P6000 T400 T1000 V100
""".split()  # noqa: SIM905 - easier to read and to sort
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

    A kind that differs from those we know by its digits alone is another model.

    Args:
        kind: as one asks for it.
        there: names of devices of the machine.
    """
    asked = kind.upper()
    known = [*KINDS, *_OTHERS]
    joined = {"".join(_words(each)) for each in known}
    if "".join(_words(kind)) in joined or any(is_of_kind(kind, name) for name in there):
        return ""
    if found := _AMOUNT.fullmatch(asked):
        number, name = (found[1], found[2]) if found[1] else (found[4], found[3])
        if name in known:
            return f"{name}:{number}"
    looks_like = re.sub(r"(?<=[A-Z0-9])[OIQ]", lambda found: found[0].translate(_LOOK_ALIKE), asked)
    if looks_like != asked and looks_like in known:
        return looks_like
    near = difflib.get_close_matches(asked, known, n=1, cutoff=_SIMILAR)
    return near[0] if near and _letters(near[0]) != _letters(asked) else ""


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z0-9]+", name.upper())


def _runs(words: "list[str]") -> "set[str]":
    """What neighbouring words are together, as one word."""
    ends = range(1, len(words) + 1)
    return {"".join(words[start:end]) for end in ends for start in range(end)}


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z]", "", name)
