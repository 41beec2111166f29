"""`cd` and `pwd`, which know by which links a folder was reached."""

import errno
import os

from ..processes.process import SandboxProcess
from ..programs import NotSupported, complain, problem
from .state import ShellState, working_directory


async def cd(shell: ShellState, words: list[str]) -> int:
    """Change the folder; `..` undoes a link that was followed, unless `-P` is given."""
    physical, arguments = _options(words)
    if shell.bash and len(arguments) > 1:
        await complain(shell.proc, shell.name, "1: cd: too many arguments")
        return 1
    source = {(): "HOME", ("-",): "OLDPWD"}.get(tuple(arguments[:1]))
    target = shell.lookup(source) if source else arguments[0]
    if target is None and shell.bash:
        await complain(shell.proc, shell.name, f"1: cd: {source} not set")
        return 1
    target = target or ""
    try:
        shown = _change(shell, target, physical=physical)
    except OSError as error:
        await complain(shell.proc, shell.name, f"1: cd: {problem(error)}")
        return 1 if shell.bash else 2
    if shown or source == "OLDPWD":
        await shell.proc.say(shell.folder + "\n")
    return 0


def _options(words: list[str]) -> tuple[bool, list[str]]:
    """Whether links are resolved, and the operands."""
    physical, rest = False, words[1:]
    while rest and rest[0][:1] == "-" and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word[1:].strip("LP"):
            raise NotSupported(f"option {word}")
        physical = word[-1] == "P"
    return physical, rest


def _change(shell: ShellState, target: str, *, physical: bool) -> bool:
    """Change the folder; whether `CDPATH` led there, so that the path is printed."""
    before = shell.folder
    first = target.partition("/")[0]
    shown = False
    if target:
        path = shell.lookup("CDPATH") or "" if first not in ("", ".", "..") else ""
        for above in path.split(":"):
            found = os.path.join(above, target)
            if above and _is_folder(shell.proc, _logical(before, found)):
                target, shown = found, True
                break
        _enter(shell, target, physical=physical)
    for name, value in (("OLDPWD", before), ("PWD", shell.folder)):
        shell.assign(name, value)
        shell.exported.add(name)
    return shown


def _enter(shell: ShellState, target: str, *, physical: bool) -> None:
    proc = shell.proc
    if physical:
        proc.chdir(target)
        shell.folder = working_directory(proc)
        return
    logical = _logical(shell.folder, target)
    try:
        if shell.bash:
            _check_above(proc, shell.folder, target)
        proc.chdir(logical)
    except OSError:
        if not shell.bash:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), target) from None
        proc.chdir(target)
    shell.folder = logical


def _logical(folder: str, target: str) -> str:
    """The absolute path of a folder, in which `..` cuts the name before it."""
    joined = os.path.join(folder, target)
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    # POSIX leaves a path open that begins with exactly two slashes; both shells keep them.
    root = "//" if joined[:2] == "//" and joined[:3] != "///" else "/"
    return root + "/".join(parts)


def _check_above(proc: SandboxProcess, folder: str, target: str) -> None:
    """Refuse a name before `..` that is no folder.

    Raises:
        OSError: `ENOENT` or `ENOTDIR`.
    """
    parts = target.split("/")
    for index, part in enumerate(parts):
        if part == ".." and (above := "/".join(parts[:index])):
            proc.fs.folder(_logical(folder, above), base=proc.cwd)


def _is_folder(proc: SandboxProcess, path: str) -> bool:
    try:
        proc.fs.folder(path, base=proc.cwd)
    except OSError:
        return False
    return True


async def pwd(shell: ShellState, words: list[str]) -> int:
    """Print the folder, or with `-P` its path without links."""
    physical, _ = _options(words)
    path = working_directory(shell.proc) if physical else shell.folder
    if not path:
        await complain(shell.proc, shell.name, "1: pwd: No such file or directory")
        return 1
    await shell.proc.say(path + "\n")
    return 0
