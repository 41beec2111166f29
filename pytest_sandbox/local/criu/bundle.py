"""CRIU, its loader and its libraries, copied to where they run from: inside hostile sandboxes.

It runs with all rights of root and with a sandbox's root directory, so whatever it opens by a
path of its own may come from a hostile program. So there are copies in memory that open less, a
command line that turns the rest off, and an environment with nothing in it.
"""

from __future__ import annotations

import errno
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.setup import CriuFiles

#: Where the stage has it.
FOLDER = "/criu"
#: Of the same length as the name that it takes the place of; there is nothing below a device.
# ld.so(8) loads what this file names whatever its options are; it has none to leave that out.
_PRELOAD, _NOTHING = b"/etc/ld.so.preload\0", b"/dev/null/.preload\0"
_CACHE = re.compile(rb"/[\w./-]*/(criu\.kdat)\0")
# GnuTLS, which CRIU is linked with, reads a configuration file as it is loaded.
_ENVIRONMENT = {
    "PATH": "/dev/null/bin",
    "HOME": "/dev/null/home",
    "LC_ALL": "C",
    "GNUTLS_SYSTEM_PRIORITY_FILE": "/dev/null",
    "GNUTLS_NO_IMPLICIT_INIT": "1",
}


class CriuBundle:
    """The files of one CRIU, read while the machine can still be reached."""

    def __init__(self, paths: CriuFiles) -> None:
        self._loader = os.path.basename(paths.loader)
        self._files = {os.path.basename(path): _read(path) for path in paths.libraries}
        self._files["criu"] = _with_own_cache(_read(paths.program))
        if self._loader:
            self._files[self._loader] = _without_preload(_read(paths.loader))

    def unpack(self) -> None:
        """Write everything to the stage."""
        os.makedirs(f"{FOLDER}/plugins")
        for name, content in self._files.items():
            with open(f"{FOLDER}/{name}", "xb", opener=_opener) as file:
                file.write(content)
        self._files.clear()

    def exec_criu(self, folder: int, action: str, arguments: list[str]) -> None:
        """Turn into CRIU, working in the current folder.

        Args:
            folder: a descriptor of `FOLDER`.
            action: `"dump"`, `"restore"`, ...
            arguments: its options.
        """
        here = f"/proc/self/fd/{folder}"
        command = [f"{here}/criu", action, *arguments]
        # Else criu(8) reads /etc/criu/default.conf and $HOME/.criu/default.conf, and loads plugins
        # from a fixed path: all of the sandbox's making.
        command += ["--no-default-config", "--libdir", f"{here}/plugins", "--work-dir", "."]
        if self._loader:
            # Nor /etc/ld.so.cache, which says where libraries are: ld.so(8).
            options = ["--inhibit-cache", "--library-path", here]
            command = [f"{here}/{self._loader}", *options, *command]
        os.execve(command[0], command, _ENVIRONMENT)  # noqa: S606


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o755)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _without_preload(loader: bytes) -> bytes:
    """A loader that does not load what a file of the sandbox names."""
    return loader.replace(_PRELOAD, _NOTHING)


def _with_own_cache(program: bytes) -> bytes:
    """A CRIU that writes what it found out about the kernel to its current folder."""
    changed, count = _CACHE.subn(lambda found: found[1].ljust(len(found[0]), b"\0"), program)
    if not count:
        raise OSError(errno.ENOEXEC, "this CRIU has its cache where it cannot be changed", "criu")
    return changed
