"""What the zygote does before it can make sandboxes: enter namespaces, build the stage."""

from __future__ import annotations

import errno
import os
import signal
import socket

from ..agent.harden import Hardening
from ..criu.bundle import CriuBundle
from ..filesystem.layers import Layers
from ..filesystem.masked_paths import MaskedPaths
from ..filesystem.volume_mounts import VolumeStore
from ..kernel import idmap, namespaces, prctl, seccomp
from ..kernel.cgroups.groups import SandboxGroups
from ..kernel.syscalls import MACHINE
from ..protocol.common import KernelError
from ..protocol.setup import ENGINE_TO_NEW_ZYGOTE, IdsGiven, SetupRequest
from ..protocol.zygote import SetupFailed, UserNamespaceEntered, ZygoteReady
from . import priority, stage, user_namespace
from .config import SandboxConfig
from .id_ranges import IdRanges, MachineIdRanges
from .skeleton import Chosen
from .user_limits import OutsideLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.engine_socket import EngineSocket
    from .stage import Stage


class Setup:
    """A zygote that is set up.

    Args:
        request: how; the engine's.
        config: what its sandboxes have in common.
        stage: what they see of the machine.
        cgroups: its own, and those of its sandboxes.
        bundle: how to run CRIU, if it is to.
        may_prefer: whether it may have a PID 1 that ends get a processor before programs do.
    """

    def __init__(
        self,
        request: SetupRequest,
        config: SandboxConfig,
        stage: Stage,
        cgroups: SandboxGroups,
        bundle: CriuBundle | None,
        *,
        may_prefer: bool,
    ) -> None:
        self.shift = request.shift
        self.ids = request.ids
        self.own_ids = request.own_ids
        self.rootless = request.rootless
        self.leases = _leases(request)
        self.userns = request.userns
        self.config = config
        self.stage = stage
        self.cgroups = cgroups
        self.bundle = bundle
        self.may_prefer = may_prefer
        self._namespace: int | None = None

    def user_namespace(self) -> int:
        """The user namespace of sandboxes, as a descriptor; made when it is first needed."""
        if self._namespace is None:
            first = self.shift
            if self.own_ids and self.leases is not None:
                first = self.leases.take()
            self._namespace = idmap.namespace(first, self.ids)
        return self._namespace


def _leases(request: SetupRequest) -> IdRanges | None:
    """What each sandbox has ids of: all of its own, or one that owns its user namespace."""
    if not request.userns or request.ids == 1:
        return None
    if request.rootless:
        # Of the zygote's user namespace, where programs seldom have such ids.
        return IdRanges(32768, 1, 16384)
    return MachineIdRanges()


def set_up(engine: EngineSocket) -> Setup | None:
    """Do what the engine's first message says; `None` if that fails, which the engine hears."""
    # While the engine imports what it needs for that message.
    etc = Chosen.read("/etc")
    request, _, _ = engine.receive(ENGINE_TO_NEW_ZYGOTE)
    if not isinstance(request, SetupRequest):
        return None
    try:
        cgroups = SandboxGroups(request.memory, devices=bool(request.gpus))
    except OSError as error:
        engine.tell(SetupFailed(error=KernelError.of(error)))
        return None
    try:
        setup = _set_up(request, engine, cgroups, etc)
    except OSError as error:
        # Else the empty groups would stay until the next run sweeps them.
        cgroups.leave()
        engine.tell(SetupFailed(error=KernelError.of(error)))
        return None
    engine.tell(
        ZygoteReady(
            controllers=cgroups.controllers,
            refused=cgroups.refused,
            cgroups=cgroups.paths,
            read_only=setup.stage.read_only,
            left_out=setup.stage.left_out,
            no_hostname=setup.config.no_hostname,
            no_gpus=setup.config.gpus.left_out,
            no_images=setup.stage.no_images,
        )
    )
    return setup


def _set_up(
    request: SetupRequest, engine: EngineSocket, cgroups: SandboxGroups, etc: Chosen
) -> Setup:
    outside = OutsideLimits()
    is_root = os.geteuid() == 0 and not request.shift
    preferred = _prefer_itself()  # as root of the machine, if we are
    if request.rootless:
        outside.take_half()
        if request.first is None or cgroups.controllers:
            _enter_user_namespace(engine)
        else:
            user_namespace.enter_as_root(request.first, request.ids)
    else:
        namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
    # Still with the ids that may look into what is only for the engine's user.
    machine = stage.OpenedMachine(request)
    if request.rootless:
        idmap.become_root()
        outside.bound_each_sandbox()
    # Both are cleared by a change of ids: prctl(2), PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
    prctl.allow_inspection()
    # SIGTERM, unlike for others: the zygote removes its cgroups before it ends.
    prctl.die_with_parent(signal.SIGTERM)
    # What is read here cannot be reached any more once the stage is the root.
    hardening = Hardening(seccomp.program(MACHINE), own_ids=request.own_ids)
    masked = MaskedPaths(is_root=is_root)
    bundle = CriuBundle(request.criu) if request.criu else None
    built = stage.build(request, machine, etc)
    if bundle is not None:
        bundle.unpack()
    size, inodes = request.size, request.inodes
    volumes = VolumeStore(size, inodes, 0 if request.own_ids else request.shift)
    config = SandboxConfig(
        *(built.trees, Layers(), volumes, machine.gpus, size, inodes, masked, hardening),
        own_ids=request.own_ids,
        is_root=is_root,
        no_hostname=_why_no_hostname(),
    )
    may_prefer = preferred and not request.rootless
    return Setup(request, config, built, cgroups, bundle, may_prefer=may_prefer)


def _prefer_itself() -> bool:
    try:
        priority.prefer(0)
    except OSError:
        return False
    return True


def _why_no_hostname() -> str:
    """Why sandboxes cannot have a host name; empty if they can.

    Filters of container engines refuse it to containers without CAP_SYS_ADMIN, in a namespace of
    one's own too, as they do not know of that.
    """
    try:
        socket.sethostname("sandbox")  # in a UTS namespace of the zygote's own
    except PermissionError as error:
        return f"sethostname: {error.strerror}"
    return ""


def _enter_user_namespace(engine: EngineSocket) -> None:
    """Enter a user namespace of our own, in which an ordinary user may mount: mount_namespaces(7).

    More ids than our own are given by newuidmap(1), a program with privileges, which maps them for
    a process from outside: the engine runs it.
    """
    # In one call: the kernel makes the user namespace first, which then owns the others,
    # user_namespaces(7).
    namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
    engine.tell(UserNamespaceEntered())
    answer, _, _ = engine.receive(ENGINE_TO_NEW_ZYGOTE)
    if not isinstance(answer, IdsGiven):
        raise OSError(errno.EPIPE, "the engine is gone", "")
