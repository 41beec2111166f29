"""Strategies for the arguments of steps: paths, flags, bytes."""

import os
import posixpath

from hypothesis import strategies as st

from ._paths import names

#: Where everything happens. Nothing leads further up than one step.
ROOT = "/srv/outer/inner"

_USUAL = st.sampled_from(["a", "b", "c", "d"])
_NAMES = st.one_of(_USUAL, _USUAL, _USUAL, _USUAL, names(), st.just("x" * 256))
_DOTTED = st.sampled_from([".", "", "a", "b"])


def below(*parts: str) -> str:
    return "/".join([ROOT, *parts])


#: A path that exists at the moment.
_THERE: st.SearchStrategy[str] = st.runner().flatmap(
    lambda machine: st.sampled_from(machine.paths())
)
#: A name in a directory that exists.
_IN: st.SearchStrategy[str] = st.builds(
    posixpath.join,
    st.runner().flatmap(lambda machine: st.sampled_from(machine.directory_paths())),
    _NAMES,
)
_ANY = st.lists(_NAMES, min_size=1, max_size=3).map(lambda parts: below(*parts))
#: Paths for what changes something: names only.
PATHS = st.one_of(_THERE, _IN, _ANY)
#: Paths for questions: also with dots, two slashes, a slash at the end, and one step up.
QUESTIONS = st.one_of(
    PATHS,
    st.builds(posixpath.join, _THERE, _DOTTED),
    st.builds(
        lambda parts: below("..", "inner", *parts),
        st.lists(_USUAL | _DOTTED, min_size=1, max_size=3),
    ),
)
TARGETS = st.one_of(_USUAL, st.builds(posixpath.join, _USUAL, _USUAL), PATHS, st.just("."))
DATA = st.binary(min_size=1, max_size=12)
FLAGS = st.builds(
    lambda access, more: access | sum(more),
    st.sampled_from([os.O_WRONLY, os.O_RDWR]),
    st.sets(st.sampled_from([os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW])),
) | st.sampled_from([os.O_RDONLY, os.O_RDONLY | os.O_NOFOLLOW, os.O_RDONLY | os.O_CREAT])
