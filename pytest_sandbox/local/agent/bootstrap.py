"""From a bare new process to PID 1 of a sandbox, in order; one module per kernel facility.

What can be known before is prepared in the forker, for all sandboxes alike: see `kernel/calls`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time

from pytest_sandbox._shared.directories import make_directories

from ..filesystem import root_mounts, volume_mounts
from ..filesystem.layers import Layers
from ..filesystem.mapped_mounts import attach_mapped
from ..kernel import idmap, mounts, namespaces
from ..kernel.calls import PreparedCalls
from ..kernel.descriptors import close_all_except
from ..kernel.network import loopback
from ..kernel.present import FileText, Modes
from ..kernel.process_title import set_title
from ..kernel.signal_handlers import prepare_handler
from ..protocol import helpers, wire
from ..protocol.agent import RESOLVER_FILE, RESOLVER_TEXT, AgentReady, SandboxFailed
from ..protocol.common import KernelError
from ..protocol.prepared_packets import prepare_send
from . import files, main, outlet
from .short_turns import take_short_turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Hashable
    from typing import Any, NoReturn, TypeAlias, TypeVar

    from ..kernel.cgroups.joining import CgroupDescriptors
    from ..protocol.forker import SandboxPlan
    from ..zygote.config import SandboxConfig

    M = TypeVar("M")
    #: The message that tells of a way out, its sockets, and requests that come by it.
    _Outlet: TypeAlias = tuple[bytes, list[socket.socket], outlet.PortRequests | None]

# All at once: unshare(2) afterwards would need a second fork, since only children enter a new pid
# namespace, pid_namespaces(7), and took a quarter longer when measured. The zygote adds a user
# namespace in the modes that have one.
NAMESPACES = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWNET
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWUTS
)
#: Bytes of a file of ours in `/etc` that are looked at.
_LARGEST_TEXT = 1024 * 1024
#: What the stage's skeleton has already.
_WORKDIR, _HOSTNAME, _NAMED = "/root", "sandbox", b"sandbox\n"
#: Seconds after which a PID 1 whose main process has ended ends by itself: the engine is busy.
_PATIENCE = 1.0
#: How much is kept of what was prepared, for the next sandboxes.
_KNOWN = 32
_READY = wire.encode(AgentReady(no_network=""))
#: What a PID 1 is called.
TITLE = "pytest-sandbox agent"


class Bootstrap:
    """Prepares, in the forker, what new processes do until they are PID 1 of a sandbox.

    Args:
        config: what every sandbox has.
        zygote: a pidfd of the zygote, their parent, with which they end.
    """

    def __init__(self, config: SandboxConfig, zygote: int) -> None:
        self.config = config
        self.zygote = zygote
        self.agent = main.Agent()
        self._known: dict[Hashable, Any] = {}
        self._sockets: dict[int, socket.socket] = {}

    def prepare(
        self, plan: SandboxPlan, sock: int, gate: int, cgroups: CgroupDescriptors
    ) -> NewSandbox:
        """Prepare any number of sandboxes, which have the same descriptors.

        Args:
            plan: what they are to make of themselves.
            sock: where the engine talks to one.
            gate: says when the ids are mapped, and takes what the zygote may need of the sandbox.
            cgroups: to be joined.
        """
        join = PreparedCalls()
        cgroups.join(join)
        become_root, build = self.build(plan, gate)
        # The groups first, so that the sandbox pays for the memory that building it takes.
        return NewSandbox(self, plan, sock, gate, [join, become_root], [build])

    def build(self, plan: SandboxPlan, gate: int) -> tuple[PreparedCalls, PreparedCalls]:
        """Up to its namespaces and ids; and up to the last step in which it sees the machine."""
        volumes = tuple(volume.number for volume in plan.volumes)
        key = "build", tuple(plan.layers), plan.project, tuple(plan.gpus), volumes, gate
        return self._known_or(key, lambda: _build(self.config, plan, gate))

    def enter(self, kept: list[int]) -> PreparedCalls:
        """The step after that, in a sandbox without volumes."""
        return self._known_or(("enter", *kept), lambda: _enter(kept))

    def settle(self, plan: SandboxPlan) -> PreparedCalls:
        """All that is left to do but for the network."""
        key = "settle", plan.hostname, plan.workdir, bool(plan.layers)
        return self._known_or(key, lambda: _settle(self.config, plan))

    def bring_up(self) -> PreparedCalls:
        """Have a loopback interface."""
        return self._known_or("network", _bring_up)

    def harden(self, processes: int) -> PreparedCalls:
        """The last of all but to tell the engine."""
        return self._known_or(("harden", processes), lambda: self._harden(processes))

    def tell(self, sock: int) -> PreparedCalls:
        """Tell the engine that a sandbox without a way out is ready."""
        return self._known_or(("tell", sock), lambda: _tell(sock))

    def _harden(self, processes: int) -> PreparedCalls:
        calls = PreparedCalls()
        take_short_turns(calls)
        # Until here it was the gate that told of the zygote's end: what dies meanwhile is missed.
        self.config.hardening.prepare(processes, self.zygote, calls)
        calls.add("close", self.zygote)
        prepare_handler(signal.SIGCHLD, calls)
        return calls

    def connected(self, fd: int) -> socket.socket:
        """What a descriptor is in a sandbox; here the number means another one each time."""
        if fd not in self._sockets:
            # Never forgotten: what is forgotten closes its descriptor.
            self._sockets[fd] = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd)
        return self._sockets[fd]

    def _known_or(self, key: Hashable, make: Callable[[], M]) -> M:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[key] = make()
        made: M = known
        return made


class NewSandbox:
    """One that is prepared.

    Args:
        bootstrap: what prepares it.
        plan: see `Bootstrap.prepare`, like the next two.
        sock: likewise.
        gate: likewise.
        first: what comes before the engine may be told.
        build: up to the last step in which it sees the machine.
        harden: of what was a blank, and has done what a blank does: the last of all, which only the
            forker can prepare, since it takes from there what it finds.
    """

    def __init__(
        self,
        bootstrap: Bootstrap,
        plan: SandboxPlan,
        sock: int,
        gate: int,
        first: list[PreparedCalls],
        build: list[PreparedCalls],
        harden: PreparedCalls | None = None,
    ) -> None:
        self._plan = plan
        self._sock = bootstrap.connected(sock)
        self._kept = [sock, gate, bootstrap.zygote]
        self._agent = bootstrap.agent
        self._harden = harden or bootstrap.harden(plan.processes)
        tell = bootstrap.tell(sock)
        # The engine, and whoever waits for it, goes on while the rest is done: what is asked
        # meanwhile waits in the socket.
        early = [tell] if _cannot_fail_later(plan) else []
        late = [] if early or plan.network else [tell]
        self._before = [*first, *early, *build]
        self._enter = None if plan.volumes else bootstrap.enter(self._kept)
        network = [] if harden else [bootstrap.bring_up()]
        last = [] if plan.network else [self._harden]
        self._after = [bootstrap.settle(plan), *network, *last, *late]

    def run(self) -> None:
        """Be its PID 1; never returns."""
        try:
            for calls in self._before:
                calls.make()
            if self._enter is not None:
                self._enter.make()
            else:
                self._enter_with_volumes()
            for calls in self._after:
                calls.make()
            if self._plan.network:
                self._begin_with_outlet()
            else:
                self._agent.begin(self._sock)
        except Exception as error:
            fail(self._sock, error)
        if self._agent.run():
            self._wait_to_be_killed()
        os._exit(0)

    def _wait_to_be_killed(self) -> None:
        """Have the engine hear of the end, and the zygote let go of the mounts that it holds.

        Else it would wait for the kernel as it closes them: `SandboxRecord.leave_to_pid_1`.
        """
        with contextlib.suppress(ProcessLookupError):  # there is none
            os.kill(-1, signal.SIGKILL)
        self._sock.close()
        time.sleep(_PATIENCE)

    def _begin_with_outlet(self) -> None:
        ready, listeners, port_requests = _outlet()
        self._harden.make()
        wire.send_packet(self._sock, ready, tuple(listener.fileno() for listener in listeners))
        for listener in listeners:
            listener.close()
        self._agent.begin(self._sock, port_requests)

    def _enter_with_volumes(self) -> None:
        volumes = volume_mounts.copy_mounts(self._plan.volumes)
        _enter([*self._kept, *(tree for tree, _ in volumes)]).make()
        volume_mounts.attach(volumes)


def fail(sock: socket.socket, error: Exception) -> NoReturn:
    """Tell the engine why there can be no sandbox, and end."""
    cause = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
    wire.send(sock, SandboxFailed(error=KernelError.of(cause)))
    os._exit(1)


def _build(
    config: SandboxConfig, plan: SandboxPlan, gate: int
) -> tuple[PreparedCalls, PreparedCalls]:
    """From a process without ids to root of a sandbox; and to one with all mounts of it."""
    config = config.with_layers(Layers.described(plan.stack))
    mapped = config.mapped_for(plan)
    become_root, copies = prepare_root(config, gate, len(mapped), TITLE)
    calls = PreparedCalls()
    calls.add("umask", 0)
    attach_mapped(mapped, copies, calls)
    root_mounts.mount_store(config.size, config.inodes, calls)
    mount_all(config, plan, gate, calls)
    return become_root, calls


def prepare_root(
    config: SandboxConfig, gate: int, mounts: int, title: str
) -> tuple[PreparedCalls, list[ctypes.c_int]]:
    """From a process without ids to root of a sandbox; and the mounts that it gets.

    Args:
        config: what every sandbox has.
        gate: the socket to the zygote.
        mounts: how many mounts come with the order to continue.
        title: what the process is called.
    """
    calls = PreparedCalls()
    copies = helpers.prepare_go(gate, mounts, _end, calls)
    set_title(title, calls)
    idmap.become_root(calls)
    # Only now: its root is the cgroup that the process is in, cgroup_namespaces(7).
    namespaces.unshare(namespaces.CLONE_NEWCGROUP, calls)
    if config.is_root:
        # Where the kernel groups processes by session, a program could put this group, which would
        # be the zygote's too, behind others: sched(7), "The autogroup feature".
        calls.add("setsid")
    return calls, copies


def mount_all(
    config: SandboxConfig,
    plan: SandboxPlan,
    gate: int,
    calls: PreparedCalls,
    *,
    ahead: bool = False,
) -> None:
    """Have `calls` mount all that depends on the plan, and tell the zygote.

    Args:
        config: what every sandbox has, with the layers of this one.
        plan: what it is to be.
        gate: the socket to the zygote.
        calls: made by a process that has mounted its store.
        ahead: whether it has also done `mount_kernel` ahead.
    """
    trees = config.trees_of(plan.layers, project=plan.project)
    root_mounts.mount_root(trees, config.layers, plan.layers, calls=calls)
    root_mounts.mount_trees(trees, calls)
    root_mounts.mount_devices(calls)
    if ahead:
        root_mounts.show_kernel(calls)
    else:
        # While the stage still shows the machine's /proc and /sys. In a user namespace the kernel
        # mounts new ones only where old ones show completely, so that nothing masked is revealed:
        # mount_too_revealing() in fs/namespace.c.
        root_mounts.mount_kernel(config.masked, config.size, config.inodes, calls)
    if plan.gpus or plan.layers:
        restored = bool(plan.layers)
        calls.do(lambda: config.gpus.mount(plan.gpus, restored=restored))
    # Our store, while it can still be named, and two namespaces.
    flags = os.O_RDONLY | os.O_CLOEXEC
    handles = [
        mounts.prepare_open_tree("/box", calls),
        calls.add_opening("open", "/proc/self/ns/mnt", flags),
        calls.add_opening("open", "/proc/self/ns/net", flags),
    ]
    prepare_send(gate, helpers.HANDLES, handles, calls)


def _end() -> None:
    os._exit(0)  # the zygote is gone, or could not map the ids


def _cannot_fail_later(plan: SandboxPlan) -> bool:
    """Whether nothing can be wrong with what was asked for once there are namespaces and ids.

    Later steps fail only if the kernel has no memory, or refuses what it did not refuse the trial
    sandbox of the zygote. That one has no files of GPUs, whose paths may not be there to mount on.
    """
    asked = plan.stack or plan.volumes or plan.network or plan.gpus
    return not asked and plan.workdir == _WORKDIR


def _enter(kept: list[int]) -> PreparedCalls:
    """Enter the root of the sandbox, with no descriptor of the machine but some; tell the zygote.

    Before the first path is looked up that a hostile program may have made a link of: the magic
    links of `/proc/self/fd` lead wherever a descriptor does, out of the root too.
    """
    calls = PreparedCalls()
    root_mounts.enter_root(calls)
    null = calls.add_opening("open", "/dev/null", os.O_RDWR, about="/dev/null")
    # They stay open: free numbers are given out first, open(2), so that some descriptor of ours
    # would become the standard output of a program.
    for fd in (0, 1, 2):
        calls.add("dup2", null, fd)
    close_all_except([0, 1, 2, *kept], calls)
    # What volumes and working directories need besides is made with the usual modes.
    calls.add("umask", 0o022)
    _, gate, *_ = kept
    prepare_send(gate, helpers.ENTERED, [], calls)
    return calls


def _settle(config: SandboxConfig, plan: SandboxPlan) -> PreparedCalls:
    calls = PreparedCalls()
    hostname = plan.hostname
    if not config.no_hostname:
        name = os.fsencode(hostname)
        calls.add("sethostname", name, len(name))
    if plan.layers or plan.workdir != _WORKDIR:
        look = PreparedCalls()
        found = Modes([plan.workdir], look, follow=True)
        calls.do_unless(look, found.are_folders, make_directories, plan.workdir)
    if hostname != _HOSTNAME:
        calls.do(_name_host, hostname)
    elif plan.layers:
        look = PreparedCalls()
        file = FileText("/etc/hostname", look)
        calls.do_unless(look, lambda: file.text == _NAMED, _name_host, hostname)
    return calls


def _bring_up() -> PreparedCalls:
    calls = PreparedCalls()
    loopback.bring_up(calls)
    return calls


def _tell(sock: int) -> PreparedCalls:
    calls = PreparedCalls()
    prepare_send(sock, _READY, [], calls)
    return calls


def _outlet() -> _Outlet:
    """Make the way out; see `outlet.prepare`."""
    try:
        sockets, port_requests = outlet.prepare()
        with contextlib.suppress(OSError):  # see `_name_host`
            _update(RESOLVER_FILE, RESOLVER_TEXT, whole=True)
        return _READY, sockets, port_requests
    except OSError as error:
        # Without it the sandbox reaches less, so it may live: it is what tells why.
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        return wire.encode(AgentReady(no_network=text)), [], None


def _name_host(hostname: str) -> None:
    with contextlib.suppress(OSError):  # a snapshot may be of something without these files
        _update("/etc/hostname", f"{hostname}\n", whole=True)
        if hostname != _HOSTNAME:
            _update("/etc/hosts", f"127.0.0.1\t{hostname}\n")


def _update(path: str, text: str, *, whole: bool = False) -> None:
    """Have a small file hold a text, or hold it too, and leave it alone if it does."""
    # O_APPEND: a longer file than we read is still extended at its end.
    fd = files.open_file(path, os.O_RDWR | os.O_APPEND)
    with os.fdopen(fd, "rb+") as file:
        old = file.read(_LARGEST_TEXT)
        if old == text.encode() or (text.encode() in old and not whole):
            return
        if whole:
            file.truncate(0)
        file.write(text.encode())
