"""Work on a sandbox with all rights of root, from inside its namespaces.

The zygote forks a helper, which enters the namespaces and forks again, for one is in a pid
namespace only from birth. What does the work is then a process of the sandbox, with a number
that no program there has, which no program there may look into, and which ends with it. The
helper stays outside, with CRIU's lazy-pages daemons as its children, until those have ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket

from ..kernel import namespaces, parent, prctl, tmpfs
from ..kernel.clone import clone
from ..kernel.descriptors import close_all_except
from ..protocol import wire
from ..protocol.common import Failed
from ..protocol.criu import (
    ENGINE_TO_CRIU_HELPER,
    OperationRefused,
    ProcessesDumped,
    ProcessesRestored,
    RestoreRequest,
    StreamsGiven,
)
from . import dump, restore
from .bundle import FOLDER
from .runner import CriuError, CriuRunner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ..kernel.cgroups.joining import CgroupDescriptors
    from ..protocol.criu import DumpRequest
    from ..protocol.message import Message
    from .bundle import CriuBundle

    Request: TypeAlias = DumpRequest | RestoreRequest

#: Where the helper mounts what it writes to, in a mount namespace of its own.
_IMAGES, _WORK = "/memory", "/work"
#: Bytes: for CRIU's logs and other files of its own.
_WORK_SIZE = 64 << 20
#: Seconds for all of it. What takes longer waits for something that does not come.
_TIMEOUT = 300
#: All but the user namespace: sandboxes with memory snapshots have none of their own. In one, CRIU
#: fails at `/proc/PID/map_files`, which takes CAP_CHECKPOINT_RESTORE over the machine.
_NAMESPACES = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWNET
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWUTS
    | namespaces.CLONE_NEWCGROUP
)
#: Numbers for processes of ours in a sandbox, high enough that programs seldom get there.
_PIDS = range(32000, 31000, -1)


def start(
    pid: int, bundle: CriuBundle, request: Request, fds: list[int], cgroups: CgroupDescriptors
) -> int:
    """Begin to work on the sandbox with this PID 1; returns the helper's pid.

    Args:
        pid: of its PID 1, which the caller has not collected yet.
        bundle: how to run CRIU.
        request: the engine's.
        fds: a socket, on which the engine hears of the end, then what the request needs.
        cgroups: those of the sandbox, to be joined.
    """
    zygote = os.getpid()

    def child() -> None:
        parent.die_with(zygote)
        _help(pid, bundle, request, fds, cgroups)

    return clone(0, child)


def _help(
    pid: int, bundle: CriuBundle, request: Request, fds: list[int], cgroups: CgroupDescriptors
) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    close_all_except([*fds, *cgroups.fds])
    sock = socket.socket(fileno=fds[0])
    try:
        criu = _prepared(bundle, request, fds[1:])
        lazy: dict[str, int] = {}
        if isinstance(request, RestoreRequest):
            # While these start, the sandbox is entered.
            lazy = restore.start_lazy_pages(criu, request.state)
        target = os.pidfd_open(pid)
        namespaces.enter(target, _NAMESPACES)
        os.close(target)
        _fork(lambda: _work(sock, criu, request, cgroups, lazy), cgroups)
    except CriuError as refusal:
        wire.send(sock, OperationRefused(reason=str(refusal)))
    except OSError as error:
        wire.send(sock, Failed.of(error))
    sock.close()
    _wait_for_children()
    os._exit(0)


def _prepared(bundle: CriuBundle, request: Request, fds: list[int]) -> CriuRunner:
    """What is needed inside, in hand, as long as the stage is in reach."""
    namespaces.unshare(namespaces.CLONE_NEWNS)
    work = _mounted(_WORK, _WORK_SIZE)
    images = _images(request, fds)
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # Opened out here, used inside: it acts on the pid namespace of the process that writes,
    # whichever /proc it was opened in.
    counter = os.open("/proc/sys/kernel/ns_last_pid", os.O_RDWR | os.O_CLOEXEC)
    return CriuRunner(bundle, folder, work, images, counter)


def _images(request: Request, fds: list[int]) -> int:
    """Where CRIU writes its images, or reads them."""
    if isinstance(request, RestoreRequest):
        return fds.pop(0)
    return _mounted(_IMAGES, request.room)


def _mounted(path: str, size: int) -> int:
    """A descriptor of a new tmpfs, which lives as long as one is open."""
    tmpfs.mount(path, size, 0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _fork(child: Callable[[], object], cgroups: CgroupDescriptors) -> None:
    # With a number of our choice, clone3(2), set_tid: CRIU restores processes with the numbers that
    # they had, and one of those could be ours otherwise.
    for number in _PIDS:
        try:
            clone(0, child, cgroups.folder, number)
        except FileExistsError:
            continue
        return
    raise OSError(errno.EAGAIN, "no process number is free in the sandbox", "")


def _work(
    sock: socket.socket,
    criu: CriuRunner,
    request: Request,
    cgroups: CgroupDescriptors,
    lazy: dict[str, int],
) -> None:
    prctl.die_with_parent(signal.SIGKILL)
    # Ends this process, and CRIU with it by PR_SET_PDEATHSIG. The engine then finds its socket
    # closed.
    signal.alarm(_TIMEOUT)
    os.setsid()
    answer: Message
    passed: tuple[int, ...] = ()
    try:
        cgroups.join()
        if isinstance(request, RestoreRequest):
            prepared = restore.Restore(criu, request, lazy)
            prepared.run(*_streams(sock))
            passed = prepared.masters
            answer = ProcessesRestored()
        else:
            answer = ProcessesDumped(state=dump.dump(criu, request))
            passed = (criu.images,)
    except CriuError as refusal:
        answer = OperationRefused(reason=str(refusal))
    except OSError as error:
        answer = Failed.of(error)
    wire.send(sock, answer, passed)
    os._exit(0)


def _streams(sock: socket.socket) -> tuple[StreamsGiven, list[int]]:
    """Wait until the engine wants the processes, which may be never."""
    signal.alarm(0)
    given, _, fds = wire.receive(sock, ENGINE_TO_CRIU_HELPER)
    if not isinstance(given, StreamsGiven):
        os._exit(0)
    signal.alarm(_TIMEOUT)
    return given, fds


def _wait_for_children() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
