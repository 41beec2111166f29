"""Where the descriptors of a command point."""

import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..processes.description import Description, Document
from ..processes.process import SandboxProcess
from .expand import Expansion
from .syntax import Redirect
from .words import Unknown

_FLAGS = {
    "<": os.O_RDONLY,
    ">": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "&>": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    ">>": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "&>>": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "<>": os.O_RDWR | os.O_CREAT,
}


@asynccontextmanager
async def redirected(
    proc: SandboxProcess, expansion: Expansion, redirects: Sequence[Redirect]
) -> AsyncIterator[None]:
    """Redirect the descriptors of a process for the length of a `with`."""
    if not redirects:
        yield
        return
    saved = {fd: description.share() for fd, description in proc.fds.items()}
    try:
        await apply(proc, expansion, redirects, proc.fds)
        yield
    finally:
        # The end of a process has closed what it had; what was saved is left to be closed here.
        left = proc.fds if proc.status is None else saved
        for description in left.values():
            description.release()
        if proc.status is None:
            proc.fds.clear()
            proc.fds.update(saved)


async def apply(
    proc: SandboxProcess,
    expansion: Expansion,
    redirects: Sequence[Redirect],
    fds: dict[int, Description],
) -> None:
    """Change a table of descriptors, which owns a share of each.

    Raises:
        OSError: a file cannot be opened, or a descriptor is not open.
    """
    for redirect in redirects:
        operator, target = redirect.operator, await _target(expansion, redirect)
        if operator == "text":
            _place(fds, redirect.fd, Document(os.fsencode(target)))
        elif operator in ("<&", ">&"):
            _duplicate(fds, redirect.fd, operator, target)
        else:
            opened = proc.open(target, _FLAGS[operator])
            if operator.startswith("&"):
                _place(fds, 2, opened.share())
            _place(fds, 1 if operator.startswith("&") else redirect.fd, opened)


async def _target(expansion: Expansion, redirect: Redirect) -> str:
    """The text or the path of a redirection; bash expands a path as an argument.

    Raises:
        OSError: `EINVAL`, it is not one path.
    """
    if redirect.operator == "text" or not expansion.bash:
        return await expansion.text(redirect.target)
    found = await expansion.fields([redirect.target])
    if len(found) != 1:
        raise OSError(errno.EINVAL, "ambiguous redirect")
    return found[0]


def _duplicate(fds: dict[int, Description], fd: int, operator: str, target: str) -> None:
    if target == "-":
        if fd in fds:
            fds.pop(fd).release()
        return
    if not target.isdigit():
        raise Unknown(f"the redirection {operator}{target}")
    source = fds.get(int(target))
    if source is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), target)
    _place(fds, fd, source.share())


def _place(fds: dict[int, Description], fd: int, description: Description) -> None:
    old = fds.get(fd)
    fds[fd] = description
    if old is not None:
        old.release()
