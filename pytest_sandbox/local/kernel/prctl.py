"""Attributes of this process that only it can set: prctl(2)."""

from __future__ import annotations

import ctypes

from .syscalls import check, libc

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
#: Bytes of a process's name without the final zero: TASK_COMM_LEN.
_LONGEST_NAME = 15
_Name = ctypes.c_ubyte * (_LONGEST_NAME + 1)  # made once: see `caps`

# It is variadic, and reads unsigned longs: prctl(2).
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def die_with_parent(signal: int) -> None:
    """Be sent `signal` when the parent ends.

    The kernel clears it when the process changes its effective ids, so it has to be set again
    after that (prctl(2), PR_SET_PDEATHSIG; commit_creds in kernel/cred.c).
    """
    _prctl(_PR_SET_PDEATHSIG, signal)


def allow_inspection() -> None:
    """Undo what a change of ids does, which is the same as `forbid_inspection`."""
    _prctl(_PR_SET_DUMPABLE, 1)


def forbid_inspection() -> None:
    """Let no process without CAP_SYS_PTRACE look into the memory of this one or trace it.

    Its files in `/proc/PID` belong to root from then on: ptrace(2), "Ptrace access mode
    checking", and proc(5).
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def set_name(name: str) -> None:
    """Set the name of this thread, which `ps` and `/proc/PID/comm` show."""
    buffer = _Name(*name.encode()[:_LONGEST_NAME])
    _prctl(_PR_SET_NAME, ctypes.addressof(buffer))


def forbid_new_privileges() -> None:
    """Gain nothing by set-user-ID bits or file capabilities in any later `execve(2)`.

    An unprivileged process may install a seccomp filter only after this: seccomp(2).
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_from_bounding_set(capabilities: tuple[int, ...]) -> None:
    """Never have some capabilities again, not even by running a file that has them."""
    for capability in capabilities:
        _prctl(_PR_CAPBSET_DROP, capability)


def clear_ambient_set() -> None:
    """Pass no capability on to ordinary programs: capabilities(7), ambient set."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def _prctl(option: int, argument: int) -> None:
    # For several options the kernel wants zeros in the arguments that they do not use.
    if libc.prctl(option, argument, 0, 0, 0) < 0:
        check(-1, f"prctl {option}")
