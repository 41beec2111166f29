"""Trees of files as plain data, and as tar archives that an engine unpacks."""

import io
import tarfile
from collections.abc import Iterator
from typing import Union

from hypothesis import strategies as st

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._paths import names


@dataclass(frozen=True)
class Link:
    """A symbolic link, which may lead nowhere."""

    target: str


#: A directory: name to content of a file, link, or directory below.
Tree = dict[str, Union[bytes, Link, "Tree"]]


def file_trees(
    *, max_leaves: int = 8, links: bool = True, utf8: bool = False
) -> st.SearchStrategy[Tree]:
    """Directories with files, links and directories.

    Args:
        max_leaves: about how many files and links there are at most.
        links: whether there are symbolic links; they lead to a neighbour, to themselves, to the
            directory they are in, out of the tree, or nowhere.
        utf8: as in `names`.
    """
    name = st.sampled_from("abc") | names(utf8=utf8)
    leaf: st.SearchStrategy[bytes | Link | Tree] = st.binary(max_size=40)
    leaf |= st.sampled_from([b"", b"\0", b"#!/bin/sh\nexit 3\n", b"x" * 4097])
    if links:
        leaf |= (st.sampled_from(["a", "b", ".", "..", "/", "/missing"]) | name).map(Link)
    tree = st.recursive(
        leaf, lambda below: st.dictionaries(name, below, max_size=4), max_leaves=max_leaves
    )
    return st.dictionaries(name, tree, max_size=4)


def flattened(tree: Tree, above: str = "") -> Iterator[tuple[str, bytes | Link | None]]:
    """Every path of a tree, relative, a directory (`None`) before what it holds.

    Args:
        tree: the directory.
        above: what the paths begin with, `"a/"`.
    """
    for name, node in tree.items():
        if isinstance(node, dict):
            yield above + name, None
            yield from flattened(node, f"{above}{name}/")
        else:
            yield above + name, node


def tar_of(tree: Tree) -> bytes:
    """A tree as a tar archive (POSIX.1-2001), for `Files.unpack`, or for a test of one's own."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer,
        mode="w",
        format=tarfile.PAX_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        for path, node in flattened(tree):
            archive.addfile(*_member(path, node))
    return buffer.getvalue()


def _member(path: str, node: bytes | Link | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    member = tarfile.TarInfo(path)
    if node is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    elif isinstance(node, Link):
        member.type, member.linkname = tarfile.SYMTYPE, node.target
    else:
        member.size = len(node)
        return member, io.BytesIO(node)
    return member, None
