"""How processes that are started during a run find it: by an environment variable they inherit.

A fork has the client of its parent. All other children (`spawn` and `forkserver` of
multiprocessing, programs) have nothing but their environment. The variable names the directory of
the run, which only its user can enter: it is an address, and grants nothing. Sandboxes never see
it: the local engine gives programs none of its own environment, and the client leaves the variable
out of the ones that it sends.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_sandbox._shared.namespaces_of import namespaces_of

from .errors import EngineStartError

#: Names the run that the parent of this process belongs to.
RUN_VARIABLE = "PYTEST_SANDBOX_RUN"
#: What the variable begins with, before a process id, if the sandboxes are in that process.
_MEMORY = "memory:"
_APP = "pytest-sandbox"
_SETTINGS = "run.json"
_UNSET = f"unset {RUN_VARIABLE} to give it an engine of its own."


class RunSettings(NamedTuple):
    """What an inheriting process needs to know of a run.

    Attributes:
        version: of this package in the owner of the run.
        engine: the name of the engine, to start it if no process has started it yet.
        options: the engine's.
        namespaces: pid and user namespace of the owner; the engine serves no others.
    """

    version: str
    engine: str
    options: Mapping[str, str]
    namespaces: list[int]

    def write(self, directory: Path) -> None:
        """Write them into the directory of the run."""
        # Complete once it has its name, whichever process reads it meanwhile.
        fresh = directory / f"{_SETTINGS}.new"
        fresh.write_text(json.dumps(self._asdict()), encoding="utf-8")
        fresh.rename(directory / _SETTINGS)

    @classmethod
    def read(cls, directory: Path) -> "RunSettings":
        """Read those of a run that this process has inherited.

        Raises:
            EngineStartError: the run has ended, belongs to another user, to another version of
                this package, or to a process outside of the container that this one is in.
        """
        try:
            settings = json.loads((directory / _SETTINGS).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise EngineStartError(
                f"the run in {directory} has ended, and this process belongs to it, as "
                f"{RUN_VARIABLE} says",
                f"End this process before the run ends, or {_UNSET}",
            ) from None
        except PermissionError:
            raise EngineStartError(
                f"the run in {directory}, which {RUN_VARIABLE} names, is that of another user",
                f"Start this process as the user who runs the tests, or {_UNSET}",
            ) from None
        if settings["version"] != own_version():
            raise EngineStartError(
                f"the run in {directory}, which {RUN_VARIABLE} names, is one of pytest-sandbox "
                f"{settings['version']}, and this process has pytest-sandbox {own_version()}",
                f"Install the same version for both, or {_UNSET}",
            )
        read = cls(**settings)
        if read.namespaces != namespaces_of("self"):
            raise EngineStartError(
                f"the run in {directory}, which {RUN_VARIABLE} names, is outside of the container "
                "that this process is in (another pid or user namespace)",
                f"Run the whole of pytest in the container, or {_UNSET}",
            )
        return read


def own_version() -> str:
    """The version of this package; empty if it is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(_APP)
    except PackageNotFoundError:
        return ""
    # Not its `version`, which imports the parser of mails for the sake of this line.
    text = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    return next((line[9:] for line in text.splitlines() if line.startswith("Version: ")), "")


def app_name(worker: str = "") -> str:
    """The app of sandboxes that are created without one.

    Args:
        worker: of pytest-xdist; empty without it. Each has an app of its own.
    """
    return f"{_APP}-{worker}" if worker else _APP


class Announcement:
    """Has the variable name a run, for the processes that this one starts, until `end`.

    Args:
        value: of the variable.

    Attributes:
        value: of the variable.
        before: what it was; `None` if it was not set.
    """

    def __init__(self, value: str) -> None:
        self.value = value
        self.before = os.environ.get(RUN_VARIABLE)
        _announced.append(self)
        os.environ[RUN_VARIABLE] = value

    @classmethod
    def in_memory(cls) -> "Announcement":
        """Say that the sandboxes are in this process, where no other one reaches them."""
        return cls(f"{_MEMORY}{os.getpid()}")

    def end(self) -> None:
        """Have the variable name what it named before; a second call does nothing."""
        if self not in _announced:
            return
        place = _announced.index(self)
        _announced.remove(self)
        if place < len(_announced):
            _announced[place].before = self.before
        elif self.before is None:
            os.environ.pop(RUN_VARIABLE, None)
        else:
            os.environ[RUN_VARIABLE] = self.before


#: Those that have not ended, the newest last: a run may be inside another.
_announced: list[Announcement] = []


def inherited() -> str | None:
    """The run that this process has inherited; `None` if there is none but its own."""
    value = os.environ.get(RUN_VARIABLE)
    own = {each.value for each in _announced}
    return value if value and value not in own else None


def check_reachable(run: str) -> None:
    """Refuse what `inherited` returned, if it names sandboxes in memory.

    Raises:
        EngineStartError: it does.
    """
    if run.startswith(_MEMORY):
        raise EngineStartError(
            f"the sandboxes of the test are in the memory of process {run.removeprefix(_MEMORY)}, "
            "and this is another process",
            "Use threads in the test, or run it on the local engine: without fake_sandboxes, and "
            "with --sandbox-engine=local.",
        )
