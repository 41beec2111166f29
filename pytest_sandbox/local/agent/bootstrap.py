"""From a bare new process to PID 1 of a sandbox, in order; one module per kernel facility."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from pytest_sandbox._shared.directories import make_directories

from ..filesystem import root_mounts, volume_mounts
from ..filesystem.mapped_mounts import attach_mapped
from ..kernel import idmap, loopback, mounts, namespaces
from ..kernel.descriptors import close_all_except
from ..kernel.process_title import set_title
from ..protocol import helpers, wire
from ..protocol.agent import RESOLVER_FILE, RESOLVER_TEXT, AgentReady, SandboxFailed
from ..protocol.common import KernelError
from . import files, main, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.cgroups.joining import CgroupDescriptors
    from ..protocol.zygote import CreateRequest
    from ..zygote.config import SandboxConfig

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


def run(
    config: SandboxConfig,
    request: CreateRequest,
    sock: socket.socket,
    gate: socket.socket,
    cgroups: CgroupDescriptors,
    zygote: int,
) -> None:
    """Be PID 1 of a new sandbox; never returns.

    Args:
        config: what every sandbox has.
        request: the engine's, to the zygote.
        sock: where the engine talks to this sandbox.
        gate: says when the ids are mapped, and takes what the zygote may need of the sandbox.
        cgroups: those of the sandbox, to be joined.
        zygote: a pidfd of the parent, with which the sandbox ends.
    """
    try:
        # Before all else, so that the sandbox pays for the memory that building it takes.
        cgroups.join()
        mapped = helpers.receive_go(gate)
        if mapped is None:
            os._exit(0)  # the zygote is gone, or could not map the ids
        set_title("pytest-sandbox agent")
        _build(config, request, mapped, gate, [sock.fileno(), zygote])
        ready, listeners, port_requests = _outlet(request)
        # Until here it was the gate that told of the zygote's end: what dies meanwhile is missed.
        config.hardening.apply(request.processes, zygote)
        os.close(zygote)
        # The engine, and whoever waits for it, goes on while the rest is prepared: what is asked
        # meanwhile waits in the socket.
        wire.send(sock, ready, tuple(listener.fileno() for listener in listeners))
        for listener in listeners:
            listener.close()
        agent = main.Agent(sock, port_requests)
    except Exception as error:
        cause = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
        wire.send(sock, SandboxFailed(error=KernelError.of(cause)))
        os._exit(1)
    agent.run()
    os._exit(0)


def _build(
    config: SandboxConfig,
    request: CreateRequest,
    mapped: list[int],
    gate: socket.socket,
    kept: list[int],
) -> None:
    idmap.become_root()
    # Only now: its root is the cgroup that the process is in, cgroup_namespaces(7).
    namespaces.unshare(namespaces.CLONE_NEWCGROUP)
    if config.is_root:
        # Where the kernel groups processes by session, a program could put this group, which would
        # be the zygote's too, behind others: sched(7), "The autogroup feature".
        os.setsid()
    os.umask(0)
    attach_mapped(config.mapped_for(request), mapped)
    root_mounts.mount_store(config.size, config.inodes)
    trees = config.trees_of(request.layers, project=request.project)
    root_mounts.mount_root(trees, config.layers, request.layers)
    root_mounts.mount_trees(trees)
    # While the stage still shows the machine's /proc and /sys. In a user namespace the kernel
    # mounts new ones only where old ones show completely, so that nothing masked is revealed:
    # mount_too_revealing() in fs/namespace.c.
    root_mounts.mount_kernel(config.masked, config.size, config.inodes)
    config.gpus.mount(request.gpus, restored=bool(request.layers))
    _send_handles(gate)
    volumes = volume_mounts.copy_mounts(request.volumes)
    root_mounts.enter_root()
    _close_machine_descriptors([*kept, *(tree for tree, _ in volumes)])
    # What volumes and working directories need besides is made with the usual modes.
    os.umask(0o022)
    volume_mounts.attach(volumes)
    if not config.no_hostname:
        socket.sethostname(request.hostname)
    loopback.bring_up()
    _prepare_files(request)


def _outlet(
    request: CreateRequest,
) -> tuple[AgentReady, list[socket.socket], outlet.PortRequests | None]:
    """Make the way out, if one is wanted; the message that tells of it, and see `prepare`."""
    if not request.network:
        return AgentReady(no_network=""), [], None
    try:
        sockets, port_requests = outlet.prepare()
        with contextlib.suppress(OSError):  # see `_prepare_files`
            _update(RESOLVER_FILE, RESOLVER_TEXT, whole=True)
        return AgentReady(no_network=""), sockets, port_requests
    except OSError as error:
        # Without it the sandbox reaches less, so it may live: it is what tells why.
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        return AgentReady(no_network=text), [], None


def _close_machine_descriptors(keep: list[int]) -> None:
    """Hold no descriptor of the machine but some.

    Before the first path is looked up that a hostile program may have made a link of: the magic
    links of `/proc/self/fd` lead wherever a descriptor does, out of the root too.
    """
    null = os.open("/dev/null", os.O_RDWR)
    # They stay open: free numbers are given out first, open(2), so that some descriptor of ours
    # would become the standard output of a program.
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    close_all_except([0, 1, 2, *keep])


def _send_handles(gate: socket.socket) -> None:
    """Give the zygote our store, while it can still be named, and two namespaces."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    own = (os.open(f"/proc/self/ns/{name}", flags) for name in ("mnt", "net"))
    wire.send(gate, helpers.SandboxHandles(), (mounts.open_tree("/box"), *own))


def _prepare_files(request: CreateRequest) -> None:
    make_directories(request.workdir)
    hostname = request.hostname
    if hostname != "sandbox" or request.layers:
        with contextlib.suppress(OSError):  # a snapshot may be of something without these files
            _update("/etc/hostname", f"{hostname}\n", whole=True)
            if hostname != "sandbox":
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
