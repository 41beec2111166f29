"""What the engine says of itself, for people to read."""

from __future__ import annotations

import os
import stat
import sys

from pytest_sandbox._shared.engine_options import ISOLATION, NOT_ISOLATED
from pytest_sandbox.local import Finding, Report
from pytest_sandbox.local.kernel import landlock
from pytest_sandbox.local.kernel.landlock import PORTS_SINCE, SCOPES_SINCE

from .keeper.messages import KeeperReady
from .options import NAME, ProcessOptions

#: What `examined` shows of the details as they are.
_SHOWN = ("writing", "reading", "network", "other processes", "Python")
_NOT_FOR = "Programs that are not trusted must not run in its sandboxes."
_RATHER = "Use the engine local where `pytest-sandbox doctor` says that it works."


def mode(ready: KeeperReady) -> str:
    """How much it holds a program here."""
    who = "own user id" if ready.own_ids else "your own user id"
    writes = "Landlock" if ready.landlock else "no Landlock"
    return f"NO ISOLATION, {who}, {writes}"


#: Why it lacks capabilities.
_LACKING = {
    "no image": "its sandboxes have the files of this machine",
    "no memory snapshot": "processes of its sandboxes are those of this machine",
    "no network": "its sandboxes have the network of this machine",
    "no project": "its sandboxes see the project itself",
    "no sandbox network": "its sandboxes have the network of this machine",
    "no snapshot": "files of its sandboxes are those of this machine",
}


def details(ready: KeeperReady, options: ProcessOptions) -> dict[str, str]:
    """What programs can do here, name to sentence."""
    return {
        ISOLATION: NOT_ISOLATED[NAME],
        "writing": _writing(ready),
        "reading": "what a user without rights may read"
        if ready.own_ids
        else "all that you may read, folders of other sandboxes too",
        "network": _network(ready, options),
        "other processes": "cannot be signalled"
        if ready.own_ids or ready.landlock >= SCOPES_SINCE
        else "yours can be signalled",
        "system calls": "filtered" if ready.filtered else "not filtered on this machine",
        "Python": _python(ready),
        **_LACKING,
    }


def examined() -> Report:
    """What the engine would be here, part by part, for `pytest-sandbox doctor --engine process`."""
    ready = _expected()
    told = details(ready, ProcessOptions())
    held = ", ".join(
        f"{what} from Linux {kernel} on"
        for what, since, kernel in (
            ("connections", PORTS_SINCE, "6.7"),
            ("signals", SCOPES_SINCE, "6.12"),
        )
        if ready.landlock < since
    )
    return Report(
        (
            Finding("isolation", False, NOT_ISOLATED[NAME], _NOT_FOR, _RATHER),
            Finding(
                "Landlock",
                bool(ready.landlock),
                f"version {ready.landlock}{f'; it holds {held}' if held else ''}"
                if ready.landlock
                else "this kernel has none, or it is turned off",
                f"Programs write {told['writing']}.",
                "Use Linux 5.13 or newer, with landlock among the lsm= of its command line.",
            ),
            Finding(
                "own user ids",
                ready.own_ids,
                "each sandbox has one, without any right"
                if ready.own_ids
                else "programs run as you are",
                f"Programs read {told['reading']}.",
                "Run the tests as root of a container that is theirs alone.",
            ),
            *(Finding(name, True, told[name]) for name in _SHOWN),
        ),
        mode(ready),
    )


def _expected() -> KeeperReady:
    """What its keeper would say here."""
    own_ids = os.geteuid() == 0
    return KeeperReady(landlock=landlock.version(), own_ids=own_ids, filtered=True)


def without_isolation() -> Finding:
    """The same in a sentence, for `pytest-sandbox doctor`."""
    told = details(_expected(), ProcessOptions())
    here = "; ".join(f"{name}: {told[name]}" for name in ("writing", "reading", "network"))
    return Finding(
        f"engine {NAME}", True, f"{NOT_ISOLATED[NAME]}. Never chosen by itself. Here: {here}"
    )


def _python(ready: KeeperReady) -> str:
    """Whether programs find the Python that runs the tests."""
    path = os.path.realpath(sys.executable)
    if ready.own_ids and not everybody_may_enter(os.path.dirname(path)):
        return (
            f"not that of the tests: other users cannot get to {path}, so python3 is the first one "
            "in PATH that they can"
        )
    return path


def everybody_may_enter(folder: str) -> bool:
    """Whether users without rights may go into a directory, and those above it."""
    path = os.path.realpath(folder)
    while os.stat(path).st_mode & stat.S_IXOTH:
        if path == "/":
            return True
        path = os.path.dirname(path)
    return False


def _writing(ready: KeeperReady) -> str:
    if ready.landlock:
        return "only to a sandbox's own folder"
    if ready.own_ids:
        return "to a sandbox's own folder, and where everybody may write, such as /tmp"
    return "wherever you may write: this kernel has no Landlock, or it is turned off"


def _network(ready: KeeperReady, options: ProcessOptions) -> str:
    if ready.landlock < PORTS_SINCE:
        return "that of this machine: Landlock of Linux 6.7 is needed to forbid connections"
    if not options.connect:
        return "none, no connection to its own ports either: option connect"
    ports = ", ".join(map(str, options.connect))
    return f"TCP connections to port {ports} of any machine"
