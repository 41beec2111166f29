"""What the zygote does before it can make sandboxes: enter namespaces, build the stage."""

from __future__ import annotations

import errno
import signal

from ..agent.harden import Hardening
from ..criu.bundle import Kit
from ..filesystem import root_mounts
from ..filesystem.layers import Layers
from ..filesystem.volume_mounts import Volumes
from ..kernel import idmap, seccomp
from ..kernel import syscalls as sys_
from ..kernel.cgroups import Cgroups
from ..protocol.common import KernelError
from ..protocol.zygote import (
    ENGINE_TO_NEW_ZYGOTE,
    IdsGiven,
    SetupFailed,
    SetupRequest,
    Unshared,
    ZygoteReady,
)
from . import stage
from .config import SandboxConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .engine_socket import EngineSocket


class Setup:
    """A zygote that is set up.

    Args:
        request: how; the engine's.
        config: what its sandboxes have in common.
        cgroups: its own, and those of its sandboxes.
        kit: how to run CRIU, if it is to.
    """

    def __init__(
        self, request: SetupRequest, config: SandboxConfig, cgroups: Cgroups, kit: Kit | None
    ) -> None:
        self.shift = request.shift
        self.ids = request.ids
        self.userns = request.userns
        self.config = config
        self.cgroups = cgroups
        self.kit = kit
        self._namespace: int | None = None

    def users(self) -> int:
        """The user namespace of sandboxes, as a descriptor; made when it is first needed."""
        if self._namespace is None:
            self._namespace = idmap.namespace(self.shift, self.ids)
        return self._namespace


def set_up(engine: EngineSocket) -> Setup | None:
    """Do what the engine's first message says; `None` if that fails, which the engine hears."""
    request, _, _ = engine.receive(ENGINE_TO_NEW_ZYGOTE)
    if not isinstance(request, SetupRequest):
        return None
    cgroups = Cgroups()
    try:
        setup = _set_up(request, engine, cgroups)
    except OSError as error:
        cgroups.leave()
        engine.tell(SetupFailed(error=KernelError.of(error)))
        return None
    engine.tell(
        ZygoteReady(controllers=cgroups.controllers, refused=cgroups.refused, cgroups=cgroups.paths)
    )
    return setup


def _set_up(request: SetupRequest, engine: EngineSocket, cgroups: Cgroups) -> Setup:
    if request.rootless:
        _become_root_of_users(engine)
    else:
        sys_.unshare(sys_.CLONE_NEWNS)
    # Cleared by a change of ids: prctl(2), PR_SET_PDEATHSIG.
    sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGTERM)
    # What is read here cannot be reached any more once the stage is the root.
    hardening = Hardening(seccomp.program(sys_.MACHINE))
    masks = root_mounts.Masks()
    kit = Kit(request.criu) if request.criu else None
    trees = [(tree.path, tree.writable) for tree in request.trees]
    trees += [(path, False) for path in request.moved]
    stage.build(trees, request.moved, request.links, shift=request.shift)
    if kit is not None:
        kit.unpack()
    size, inodes = request.size, request.inodes
    volumes = Volumes(size, inodes, request.shift)
    config = SandboxConfig(trees, Layers(), volumes, size, inodes, masks, hardening)
    return Setup(request, config, cgroups, kit)


def _become_root_of_users(engine: EngineSocket) -> None:
    """Enter a user namespace of our own, in which an ordinary user may mount: mount_namespaces(7).

    More ids than our own are given by newuidmap(1), a program with privileges, which maps them for
    a process from outside: the engine runs it.
    """
    sys_.unshare(sys_.CLONE_NEWUSER | sys_.CLONE_NEWNS)
    engine.tell(Unshared())
    answer, _, _ = engine.receive(ENGINE_TO_NEW_ZYGOTE)
    if not isinstance(answer, IdsGiven):
        raise OSError(errno.EPIPE, "the engine is gone", "")
    idmap.become_root()
