"""Waits for a command and passes signals on to it, or waits to be interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
#: `si_code` of a signal that the kernel sent: Ctrl-C, which the whole terminal group gets.
_SI_KERNEL = 0x80
#: Seconds between checks that the engine is alive.
_LOOK = 1.0


def supervise(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command, and pass on the signals that this process receives.

    Returns:
        Its status: 128 plus the number for a signal, 126 or 127 if it cannot be run.
    """
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # if it is ignored, the kernel drops the status (wait(2))
    with _held_back({*_ENDING, signal.SIGCHLD}) as (signals, usual):
        try:
            child = subprocess.Popen(
                command,
                env=env,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, usual),
            )
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            print(f"pytest-sandbox serve: cannot run {command[0]!r}: {reason}", file=sys.stderr)
            return 127 if isinstance(error, FileNotFoundError) else 126
        while child.poll() is None:
            info = signal.sigwaitinfo(signals)
            # A terminal sends the signal of Ctrl-C to the command too.
            if info.si_signo != signal.SIGCHLD and info.si_code != _SI_KERNEL:
                child.send_signal(info.si_signo)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def until_interrupted(announce: Callable[[], object], check: Callable[[], object]) -> None:
    """Return when a signal asks this process to end.

    Args:
        announce: called as soon as a signal is handled: the reader of what it prints may send one.
        check: called every second; an exception that it raises ends the wait too.
    """
    with _held_back(_ENDING) as (signals, _):
        announce()
        while signal.sigtimedwait(signals, _LOOK) is None:
            check()


@contextmanager
def _held_back(
    signals: set[signal.Signals],
) -> Iterator[tuple[set[signal.Signals], set[int | signal.Signals]]]:
    """Block signals, for `sigwaitinfo`: yields them, and the signals that were blocked before."""
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield signals, usual
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
