"""Asks the machine what the local engine can do here: the report of `pytest-sandbox doctor`."""

from __future__ import annotations

import asyncio
import os
import platform

from pytest_sandbox.engine import EngineError

from .engine.links.errors import BuildFailed
from .engine.machine import ids
from .engine.machine.modes import ModeRefused, attempt, candidates, sysctl
from .engine.snapshots.images import Images
from .engine.snapshots.memory import Memory
from .kernel.syscalls import MACHINE, SUPPORTED_MACHINES
from .options import LocalOptions, Mode
from .report import Finding, Report

#: The oldest kernel with all that is used: `mount_setattr(2)`, and overlayfs in a user namespace.
_OLDEST = (5, 12)
#: From here on, tmpfs has the `user.*` attributes in which overlayfs notes replaced directories.
_WITH_ATTRIBUTES = (6, 6)
#: Bytes for the images of a process that does nothing.
_TRIAL_STORE = 1 << 30
_LIMITS = {"pids": "processes", "memory": "memory", "cpu": "processor time"}
_ALLOW_USERNS = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"


def probe(options: LocalOptions | None = None) -> Report:
    """Try every mode with a trial sandbox, and look at all that the engine can use.

    Changes nothing on the machine. Runs an event loop of its own, so call it where none runs.

    Args:
        options: the engine's settings; with a mode in them, only that is tried.
    """
    return asyncio.run(_probe(options or LocalOptions()))


async def _probe(options: LocalOptions) -> Report:
    findings = [_machine(), _kernel(), *_user_namespaces(), _overlayfs()]
    if os.geteuid() != 0:
        findings.append(_subordinate_ids())
    chosen: Mode | None = None
    limits: list[Finding] = []
    if MACHINE in SUPPORTED_MACHINES:
        for mode in [options.mode] if options.mode else candidates():
            finding, refused = await _try(mode, options)
            findings.append(finding)
            if finding.ok and chosen is None:
                chosen, limits = mode, [_limit(name, refused) for name in _LIMITS]
    findings += [*limits, await _memory(options)]
    return Report(tuple(findings), None if chosen is None else chosen.value)


async def _try(mode: Mode, options: LocalOptions) -> tuple[Finding, dict[str, str]]:
    """Whether a mode works, and which cgroup controllers it would have to do without."""
    name = f"mode: {mode.value}"
    try:
        factory = await attempt(mode, options)
    except ModeRefused as refusal:
        consequence = "the engine uses the next mode, if any works"
        return Finding(name, False, refusal.reason, consequence, refusal.remedy), {}
    refused = factory.zygote.refused
    await factory.close()
    return Finding(name, True, "a trial sandbox was created and ended"), refused


async def _memory(options: LocalOptions) -> Finding:
    """Whether the memory of processes can be kept, by keeping and restoring one."""
    name, consequence = "memory snapshots", "the processes of a sandbox cannot be kept, only files"
    memory = Memory(options, Images(_TRIAL_STORE))
    if missing := await memory.look():
        return Finding(name, False, missing.reason, consequence, missing.remedy)
    try:
        used = await memory.trial()
    except (EngineError, BuildFailed) as refusal:
        return Finding(name, False, str(refusal), consequence)
    finally:
        await memory.close()
    return Finding(name, True, f"a process was kept and restored: {used}")


def _machine() -> Finding:
    known = sorted(SUPPORTED_MACHINES)
    return Finding(
        "machine",
        MACHINE in SUPPORTED_MACHINES,
        f"{MACHINE}; the local engine knows {' and '.join(known)}",
        "the local engine cannot run here",
    )


def _kernel() -> Finding:
    release = platform.release()
    version = tuple(int(part) for part in release.replace("-", ".").split(".")[:2])
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Finding("kernel", False, release, f"the engine needs {oldest}", "upgrade the kernel")
    return Finding(
        "kernel",
        version >= _WITH_ATTRIBUTES,
        release,
        "before 6.6, a directory of the image that is removed and made again in a sandbox "
        "shows its old contents",
        "upgrade the kernel",
    )


def _user_namespaces() -> list[Finding]:
    most = sysctl("user/max_user_namespaces") or "unknown"
    findings = [
        Finding(
            "user namespaces",
            most != "0",
            f"user.max_user_namespaces = {most}",
            "no sandbox can be created",
            "sudo sysctl -w user.max_user_namespaces=65536",
        )
    ]
    for name, refusing, remedy in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", _ALLOW_USERNS),
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
    ):
        value = sysctl(name)
        if value is not None:
            findings.append(
                Finding(
                    name.replace("/", "."),
                    value != refusing or os.geteuid() == 0,
                    f"{name.replace('/', '.')} = {value}",
                    "only root can create sandboxes",
                    remedy,
                )
            )
    return findings


def _overlayfs() -> Finding:
    with open("/proc/filesystems") as file:
        known = "overlay" in file.read().split()
    detail = "registered" if known else "not in /proc/filesystems"
    return Finding("overlayfs", known, detail, "no sandbox can be created", "sudo modprobe overlay")


def _subordinate_ids() -> Finding:
    name = "subordinate ids"
    try:
        first = [ids.subordinate(f"/etc/sub{kind}").first for kind in ("uid", "gid")]
    except ids.IdsRefused as refusal:
        consequence = "a sandbox has one user: chown, su and package managers fail inside"
        return Finding(name, False, refusal.reason, consequence, refusal.remedy)
    return Finding(name, True, f"from {first[0]} (users) and {first[1]} (groups)")


def _limit(controller: str, refused: dict[str, str]) -> Finding:
    name = f"cgroup: {controller}"
    if controller not in refused:
        return Finding(name, True, "can be used")
    return Finding(
        name,
        False,
        refused[controller],
        f"no limit of {_LIMITS[controller]} can be set for a sandbox"
        + (" but the kernel's, per user" if controller == "pids" else ""),
        "run as root, or in a systemd user session: systemd-run --user --scope -p Delegate=yes ...",
    )
