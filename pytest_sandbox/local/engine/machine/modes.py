"""Choosing how to isolate sandboxes on this machine: by trying, the strongest mode first.

Whether a mode works depends on the kernel, its settings, security modules, file systems and the
container that we may be in. No list of conditions would be complete, so a trial sandbox decides.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import EngineError, EngineUnavailable, Network, TaskSpec

from ...agents.errors import BuildFailed
from ...kernel.syscalls import MACHINE, SUPPORTED_MACHINES
from ...options import LocalOptions, Mode
from ..factory import Factory
from ..links.zygote_link import ZygoteLink
from .host_image import host_image
from .ids import IdsRefused, is_root_of_machine
from .mode_refused import ModeRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..snapshots.layer_store import LayerStore
    from .find_criu import Criu

#: Modes in which the zygote is root of the machine, and so may mount overlays over its folders in
#: which a sandbox can write.
_ROOT = (Mode.ROOT_SHIFTED, Mode.ROOT_SHARED, Mode.ROOT_IDENTITY, Mode.ROOT_PLAIN)


@dataclass
class Choice:
    """The mode that is used, and those that were tried before it.

    Attributes:
        factory: makes sandboxes in the mode that works.
        refused: why the stronger modes do not work.
    """

    factory: Factory
    refused: dict[Mode, ModeRefused] = field(default_factory=dict)


def candidates() -> list[Mode]:
    """The modes that may work for our user, the strongest first."""
    if os.geteuid() == 0:
        # Root of a container may lack the right to mount, and still make user namespaces.
        return [
            *(Mode.ROOT_SHIFTED, Mode.ROOT_SHARED, Mode.ROOT_IDENTITY),
            *(Mode.SUBORDINATE, Mode.SINGLE),
        ]
    return [Mode.SUBORDINATE, Mode.SINGLE]


async def choose(options: LocalOptions, images: str = "") -> Choice:
    """Start a zygote in the strongest mode that works.

    Args:
        options: the engine's settings.
        images: the folder with unpacked layers of images.

    Raises:
        EngineUnavailable: none works; with the reason of each.
    """
    if MACHINE not in SUPPORTED_MACHINES:
        raise EngineUnavailable(
            f"the local engine knows the system calls of {sorted(SUPPORTED_MACHINES)}, "
            f"this machine is {MACHINE!r}"
        )
    refused: dict[Mode, ModeRefused] = {}
    for mode in [options.mode] if options.mode else candidates():
        try:
            return Choice(await attempt(mode, options, images=images), refused)
        except ModeRefused as refusal:  # noqa: PERF203 - the loop is about the errors
            refused[mode] = refusal
    from .advice import advice  # late: mostly a mode works

    raise EngineUnavailable(
        f"no mode of the local engine works here: {reasons(refused)}", advice(refused.values())
    )


def reasons(refused: Mapping[Mode, ModeRefused]) -> str:
    """Why modes do not work, each reason once."""
    modes: dict[str, list[str]] = {}
    for mode, refusal in refused.items():
        modes.setdefault(refusal.reason, []).append(mode.value)
    return "; ".join(f"{' / '.join(names)}: {reason}" for reason, names in modes.items())


async def attempt(
    mode: Mode,
    options: LocalOptions,
    criu: Criu | None = None,
    store: LayerStore | None = None,
    images: str = "",
) -> Factory:
    """Start a zygote in one mode, and prove it with a trial sandbox.

    Args:
        mode: the mode.
        options: the engine's settings.
        criu: what dumps and restores memory, for a zygote whose sandboxes are to be snapshot with
            their processes.
        store: the snapshots of the engine, if it has some already.
        images: the folder with unpacked layers of images.

    Raises:
        ModeRefused: it does not work here.
    """
    image = host_image(
        root=mode in _ROOT,
        project=options.project,
        simulated_gpus=options.gpus == "simulated",
        images=images,
    )
    factory = Factory(ZygoteLink(mode, options, image, criu), image, options, store)
    try:
        check_system(image.left_out)
        await factory.zygote.start()
        check_system(factory.zygote.left_out)
        check_process_bound(factory.zygote)
        trial = await factory.build(TaskSpec(network=Network()))
        factory.no_network = trial.no_network
        await trial.kill()
    except BuildFailed as failure:
        await factory.close()
        raise ModeRefused.of(mode, failure.reason) from failure
    except (OSError, IdsRefused, EngineError, ModeRefused) as error:
        await factory.close()
        raise ModeRefused.of(mode, error) from error
    except BaseException:
        await asyncio.shield(factory.close())
        raise
    return factory


def check_system(left_out: Mapping[str, str]) -> None:
    """Refuse a mode whose sandboxes would have no programs.

    Args:
        left_out: folders of the machine that do not show, and why.

    Raises:
        ModeRefused: `/usr` is one of them.
    """
    if "/usr" in left_out:
        raise ModeRefused(
            f"/usr cannot show: {left_out['/usr']}", "Set TMPDIR to a directory outside of /usr."
        )


def check_process_bound(zygote: ZygoteLink) -> None:
    """Refuse a mode in which a fork bomb would take the machine's processes.

    Raises:
        ModeRefused: neither a pids cgroup nor RLIMIT_NPROC bounds them.
    """
    # The kernel exempts the machine's root from RLIMIT_NPROC: getrlimit(2), and copy_process in
    # kernel/fork.c, which asks for INIT_USER.
    has_other_ids = zygote.mode in (Mode.ROOT_SHIFTED, Mode.ROOT_SHARED) or (
        zygote.mode is Mode.SUBORDINATE and not zygote.controllers  # see `user_namespace`
    )
    if is_root_of_machine() and not has_other_ids and "pids" not in zygote.controllers:
        raise ModeRefused(
            "the number of a sandbox's processes cannot be bounded: "
            f"no pids cgroup ({zygote.refused.get('pids', 'none')})",
            "make /sys/fs/cgroup writable",
        )
