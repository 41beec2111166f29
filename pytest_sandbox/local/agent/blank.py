"""A blank: PID 1 of a sandbox before it is known what sandbox that is to be.

It is in its namespaces, is root of them, and has mounted and set up all that is the same in each
sandbox, by the same calls, in the same order. It has not given up any right yet, and nothing runs
in it. When a sandbox is asked for, the zygote tells it what it is to be; all that is left it does
as any other. Its limits are those of its groups, so it can become no sandbox with other ones.

Unlike other PIDs 1, which only make calls that the forker has prepared, it prepares its own: to
prepare some beforehand, while nobody waits for it, copies the memory that this takes.
"""

from __future__ import annotations

import os
import socket

from ..filesystem import root_mounts
from ..filesystem.host_trees import parts_of
from ..filesystem.layers import Layers, trial
from ..filesystem.mapped_mounts import attach_mapped
from ..kernel.calls import PreparedCalls
from ..kernel.descriptors import close_all_except
from ..kernel.process_title import set_title
from ..protocol import wire
from ..protocol.forker import ZYGOTE_TO_BLANK, BlankTaken, SandboxPlan
from .bootstrap import TITLE, NewSandbox, fail, mount_all, prepare_root
from .warm_up import warm_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.cgroups.joining import CgroupDescriptors
    from ..protocol.forker import BlankPlan
    from ..zygote.config import SandboxConfig
    from .bootstrap import Bootstrap

#: What it is called until it is taken.
_TITLE = "pytest-sandbox blank"


class NewBlank:
    """One that is prepared, in the forker.

    Args:
        bootstrap: what prepares it.
        plan: what is known of it.
        gate: a descriptor of the socket to the zygote.
        cgroups: to be joined.
    """

    def __init__(
        self, bootstrap: Bootstrap, plan: BlankPlan, gate: int, cgroups: CgroupDescriptors
    ) -> None:
        self._bootstrap = bootstrap
        self._plan = plan
        self._gate = gate
        config = bootstrap.config
        join = PreparedCalls()
        cgroups.join(join)
        mapped = config.mapped_ahead()
        become_root, copies = prepare_root(config, gate, len(mapped), _TITLE)
        build = PreparedCalls()
        build.add("umask", 0)
        attach_mapped(mapped, copies, build)
        close_all_except([0, 1, 2, gate, bootstrap.zygote], build)
        root_mounts.mount_store(config.size, config.inodes, build)
        root_mounts.mount_kernel(
            config.masked, config.size, config.inodes, build, root_mounts.AHEAD
        )
        self._harden = bootstrap.harden(plan.processes)
        self._ahead = [join, become_root, build, bootstrap.bring_up()]

    def run(self) -> None:
        """Be it; never returns."""
        for calls in self._ahead:
            calls.make()  # if one fails, it ends, and the zygote forks a sandbox when one is wanted
        self._warm_up()
        gate = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, self._gate)
        request, _, fds = wire.receive_request(gate, ZYGOTE_TO_BLANK)
        gate.detach()
        if isinstance(request, BlankTaken):
            self._become(request, fds)
        os._exit(0)  # the zygote is gone, or does not want it

    def _warm_up(self) -> None:
        warm_up()
        # It has the number that the socket to the engine will have: that of the next descriptor.
        sock = os.dup(self._gate)
        self._sandbox(_restored(self._plan, self._bootstrap.config), sock)
        os.close(sock)

    def _become(self, request: BlankTaken, fds: list[int]) -> None:
        sock, *copies = fds
        try:
            set_title(TITLE)
            attach_mapped(request.mapped, copies)
            sandbox = self._sandbox(request.plan, sock)
        except Exception as error:
            fail(self._bootstrap.connected(sock), error)
        sandbox.run()

    def _sandbox(self, plan: SandboxPlan, sock: int) -> NewSandbox:
        config = self._bootstrap.config.with_layers(Layers.described(plan.stack))
        calls = PreparedCalls()
        mount_all(config, plan, self._gate, calls, ahead=True)
        return NewSandbox(self._bootstrap, plan, sock, self._gate, [], [calls], self._harden)


def _restored(plan: BlankPlan, config: SandboxConfig) -> SandboxPlan:
    """A sandbox like most, made of a layer: that takes all that one without takes, and more."""
    return SandboxPlan(
        stack=[trial(parts_of(config.trees))],
        volumes=[],
        hostname="sandbox",
        workdir="/root",
        project=False,
        network=False,
        processes=plan.processes,
        gpus=[],
        folder=plan.folder,
    )
