"""Attributes of this process that only it can set: prctl(2)."""

from __future__ import annotations

import ctypes

from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
#: Bytes of a process's name without the final zero: TASK_COMM_LEN.
_LONGEST_NAME = 15
_Name = ctypes.c_ubyte * (_LONGEST_NAME + 1)  # made once: see `caps`


def die_with_parent(signal: int, calls: PreparedCalls = NOW) -> None:
    """Be sent `signal` when the parent ends.

    The kernel clears it when the process changes its effective ids, so it has to be set again
    after that (prctl(2), PR_SET_PDEATHSIG; commit_creds in kernel/cred.c).
    """
    _prctl(calls, _PR_SET_PDEATHSIG, signal)


def allow_inspection(calls: PreparedCalls = NOW) -> None:
    """Undo what a change of ids does, which is the same as `forbid_inspection`."""
    _prctl(calls, _PR_SET_DUMPABLE, 1)


def forbid_inspection(calls: PreparedCalls = NOW) -> None:
    """Let no process without CAP_SYS_PTRACE look into the memory of this one or trace it.

    Its files in `/proc/PID` belong to root from then on: ptrace(2), "Ptrace access mode
    checking", and proc(5).
    """
    _prctl(calls, _PR_SET_DUMPABLE, 0)


def set_name(name: str, calls: PreparedCalls = NOW) -> None:
    """Set the name of this thread, which `ps` and `/proc/PID/comm` show."""
    _prctl(calls, _PR_SET_NAME, _Name(*name.encode()[:_LONGEST_NAME]))


def forbid_new_privileges(calls: PreparedCalls = NOW) -> None:
    """Gain nothing by set-user-ID bits or file capabilities in any later `execve(2)`.

    An unprivileged process may install a seccomp filter only after this: seccomp(2).
    """
    _prctl(calls, _PR_SET_NO_NEW_PRIVS, 1)


def adopt_orphans(calls: PreparedCalls = NOW) -> None:
    """Become the parent of all descendants whose own parent ends, unless a closer one does that."""
    _prctl(calls, _PR_SET_CHILD_SUBREAPER, 1)


def drop_from_bounding_set(capabilities: tuple[int, ...], calls: PreparedCalls = NOW) -> None:
    """Never have some capabilities again, not even by running a file that has them."""
    for capability in capabilities:
        _prctl(calls, _PR_CAPBSET_DROP, capability)


def clear_ambient_set(calls: PreparedCalls = NOW) -> None:
    """Pass no capability on to ordinary programs: capabilities(7), ambient set."""
    _prctl(calls, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def _prctl(calls: PreparedCalls, option: int, argument: object) -> None:
    # For several options the kernel wants zeros in the arguments that they do not use.
    calls.add("prctl", option, argument, 0, 0, 0, about=f"prctl {option}")
