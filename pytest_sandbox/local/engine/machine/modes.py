"""Choosing how to isolate on this machine: by trying, strongest first."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineError, EngineUnavailable, TaskSpec

from ...kernel.syscalls import MACHINE, SUPPORTED_MACHINES
from ...options import LocalOptions, Mode
from ..factory import Factory
from ..links.errors import BuildFailed
from ..links.zygote_link import ZygoteLink
from .host_image import host_image
from .ids import IdsRefused

if TYPE_CHECKING:
    from ..snapshots.images import Images
    from .find_criu import Criu

#: Those in which the zygote is root of the machine.
_ROOT = (Mode.ROOT_SHIFTED, Mode.ROOT_IDENTITY, Mode.ROOT_PLAIN)


class ModeRefused(Exception):
    """A mode does not work on this machine.

    Args:
        reason: what was tried and what the kernel said.
        remedy: what to do about it, a command if there is one.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass
class Choice:
    """Modes that were tried.

    Attributes:
        factory: makes sandboxes in the one that works.
        refused: why the stronger ones do not.
    """

    factory: Factory
    refused: dict[Mode, ModeRefused] = field(default_factory=dict)


def candidates() -> list[Mode]:
    """The modes that can be thought of for our user."""
    if os.geteuid() == 0:
        return [Mode.ROOT_SHIFTED, Mode.ROOT_IDENTITY, Mode.SUBORDINATE, Mode.SINGLE]
    return [Mode.SUBORDINATE, Mode.SINGLE]


async def choose(options: LocalOptions) -> Choice:
    """Start a zygote in the strongest mode that works.

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
            return Choice(await attempt(mode, options), refused)
        except ModeRefused as refusal:  # noqa: PERF203 - the loop is about the errors
            refused[mode] = refusal
    reasons = "; ".join(f"{mode.value}: {refusal.reason}" for mode, refusal in refused.items())
    remedies = dict.fromkeys(refusal.remedy for refusal in refused.values() if refusal.remedy)
    raise EngineUnavailable(
        f"no mode of the local engine works here: {reasons}", "\n".join(remedies)
    )


async def attempt(
    mode: Mode, options: LocalOptions, criu: Criu | None = None, images: Images | None = None
) -> Factory:
    """Start a zygote in one mode, and prove it with a trial sandbox.

    Args:
        mode: the mode.
        options: the engine's settings.
        criu: what keeps memory, if it is to do that.
        images: those of the engine, if it has some already.

    Raises:
        ModeRefused: it does not work here.
    """
    image = host_image(writable=mode in _ROOT)
    factory = Factory(ZygoteLink(mode, options, image, criu), image, options, images)
    try:
        await factory.zygote.start()
        _check_process_bound(factory.zygote)
        trial = await factory.build(TaskSpec())
        await trial.kill()
    except BuildFailed as failure:
        await factory.close()
        raise _refusal(mode, failure.reason) from failure
    except (OSError, IdsRefused, EngineError, ModeRefused) as error:
        await factory.close()
        raise _refusal(mode, error) from error
    except BaseException:
        await asyncio.shield(factory.close())
        raise
    return factory


def _check_process_bound(zygote: ZygoteLink) -> None:
    """A fork bomb must be bounded: by a cgroup, or by RLIMIT_NPROC, from which root is exempt."""
    sandbox_root_is_root = os.geteuid() == 0 and zygote.mode is not Mode.ROOT_SHIFTED
    if sandbox_root_is_root and "pids" not in zygote.controllers:
        raise ModeRefused(
            "the number of a sandbox's processes cannot be bounded: "
            f"no pids cgroup ({zygote.refused.get('pids', 'none')})",
            "run as an ordinary user, or make /sys/fs/cgroup writable",
        )


def _refusal(mode: Mode, error: Exception) -> ModeRefused:
    if isinstance(error, ModeRefused):
        return error
    if isinstance(error, IdsRefused):
        return ModeRefused(error.reason, error.remedy)
    if isinstance(error, OSError):
        about = f"{error.filename}: " if error.filename else ""
        return ModeRefused(f"{about}{error.strerror}", _remedy(mode, error))
    return ModeRefused(str(error))


def _remedy(mode: Mode, error: OSError) -> str:
    if error.errno == errno.ENOSPC and sysctl("user/max_user_namespaces") == "0":
        return "sudo sysctl -w user.max_user_namespaces=65536"
    if error.errno == errno.ENODEV:
        return "sudo modprobe overlay"
    if error.errno in (errno.EPERM, errno.EACCES) and mode in (Mode.SUBORDINATE, Mode.SINGLE):
        if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
            return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        if sysctl("kernel/unprivileged_userns_clone") == "0":
            return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        return (
            "in a container: docker run --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
        )
    return ""


def sysctl(name: str) -> str | None:
    """A kernel setting, `None` where the kernel has no such."""
    try:
        with open(f"/proc/sys/{name}") as file:
            return file.read().strip()
    except OSError:
        return None
