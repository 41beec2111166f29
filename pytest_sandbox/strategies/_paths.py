"""Names and paths, among them those that break careless code."""

from hypothesis import strategies as st

#: The longest name in bytes: NAME_MAX of `<linux/limits.h>`.
NAME_MAX = 255

#: What has been taken for something else before: an option, a pattern, a variable, a quote, a
#: line, an end of the name; the same letter composed and not; text that runs backwards.
NASTY_NAMES = (
    *("-", "-rf", "--", "...", ". .", " ", " a", "a ", "a b", "\n", "a\nb", "\t", "\r", "\x7f"),
    *("*", "?", "[a]", "{a,b}", "~", "#", "!", "&", ";", "|", "$HOME", "$(id)", "`id`", "%s"),
    *("'", '"', "\\", "\\n", "a\\", ".hidden", "con", "a.tar.gz", ".wh.a", "e\u0301", "\xe9"),
    *("\u202eabc", "\u200b", "\ufeff", "\U0001f4a5", "\u0130", "x" * NAME_MAX, "\xe9" * 127),
)


def names(*, utf8: bool = False) -> st.SearchStrategy[str]:
    """One component of a path that names something: never empty, `.` or `..`, no slash, no NUL.

    At most 255 bytes, as file systems of Linux have it. A name that is no UTF-8 has surrogates
    in the place of the bytes that are not, as `os.fsdecode` gives it.

    Args:
        utf8: only names that are UTF-8, as a gRPC request needs them.
    """
    text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
    sources = [st.sampled_from(NASTY_NAMES), text]
    if not utf8:
        sources.append(st.binary(min_size=1, max_size=20).map(_decoded))
    return st.one_of(sources).filter(_is_name)


def paths(
    root: str = "/", *, max_depth: int = 3, dots: bool = False, utf8: bool = False
) -> st.SearchStrategy[str]:
    """Absolute paths below a directory.

    Args:
        root: the directory.
        max_depth: how many names there are at most below it; with 15 the path is as long as
            Linux takes one (PATH_MAX, 4096 bytes with the NUL).
        dots: put `.`, `..` and empty components between the names too, and at the end. There
            are never more `..` than names before them, so that the path does not leave `root`
            unless a link on it does.
        utf8: as in `names`.
    """
    parts = st.lists(names(utf8=utf8), min_size=1, max_size=max_depth)
    if dots:
        odd = st.sampled_from([".", "..", "", "a"])
        parts = st.lists(names(utf8=utf8) | odd, min_size=1, max_size=max_depth).map(_stay)
    return parts.map(lambda parts: root.rstrip("/") + "/" + "/".join(parts))


def _stay(parts: list[str]) -> list[str]:
    depth = 0
    kept: list[str] = []
    for part in parts:
        if part == ".." and depth == 0:
            continue
        depth += 0 if part in ("", ".") else -1 if part == ".." else 1
        kept.append(part)
    return kept


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _is_name(name: str) -> bool:
    size = len(name.encode("utf-8", "surrogateescape"))
    return name not in (".", "..") and not {"/", "\0"} & set(name) and size <= NAME_MAX
