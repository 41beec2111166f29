"""The processes of a sandbox, for one that is inside with all rights: list, continue."""

from __future__ import annotations

import contextlib
import os
import signal

_AGENT = 1
#: Bytes of a command line that are worth showing.
_LONGEST = 120


class ProcessStat:
    """A process, as `/proc/PID/stat` has it (proc_pid_stat(5))."""

    def __init__(self, pid: int, stat: bytes) -> None:
        fields = stat.rpartition(b")")[2].split()
        self.pid = pid
        self.state = fields[0]
        self.parent = int(fields[1])
        self.arguments_at = int(fields[45])


def scan() -> dict[int, ProcessStat]:
    """All processes of the sandbox but this one and those with a parent outside, our own."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                found[int(name)] = _read(int(name))
    return {pid: proc for pid, proc in found.items() if proc.parent or pid == _AGENT}


def trees(stats: dict[int, ProcessStat]) -> dict[int, list[int]]:
    """What the agent started or inherited, each with all its descendants; without its own jobs."""
    # A job is a fork of the agent that ran no other program: it has its memory where the agent
    # has it, which is somewhere else for every program.
    agent = stats.pop(_AGENT)
    programs = [proc for proc in stats.values() if proc.arguments_at != agent.arguments_at]
    roots = [proc.pid for proc in programs if proc.parent == _AGENT and proc.state not in b"ZX"]
    return {root: _family(root, programs) for root in sorted(roots)}


def command(pid: int) -> str:
    """How a process was started, for people; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(_LONGEST).decode(errors="replace")
    except OSError:
        return ""
    return " ".join(words.replace("\0", " ").split())


def resume(pids: list[int]) -> None:
    """Resume processes, children before parents, which may be waiting for a stopped child."""
    for pid in sorted(pids, reverse=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _read(pid: int) -> ProcessStat:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return ProcessStat(pid, file.read())


def _family(root: int, programs: list[ProcessStat]) -> list[int]:
    family = [root]
    for pid in family:  # which grows
        family += [proc.pid for proc in programs if proc.parent == pid]
    return family
