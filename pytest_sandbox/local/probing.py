"""What the local engine can do on this machine: the report of `pytest-sandbox doctor`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import sys
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineError
from pytest_sandbox.gpus import GpusUnavailable, this_machine

from .agents.errors import BuildFailed
from .engine.gpus.driver_files import NO_DRIVER
from .engine.links.gateway_link import GatewayLink
from .engine.machine import ids
from .engine.machine.advice import advice
from .engine.machine.mode_refused import (
    APPARMOR_USERNS,
    DEBIAN_USERNS,
    FORBIDDING,
    LOAD_OVERLAYFS,
    MAX_USER_NAMESPACES,
    REMEDIES,
    ModeRefused,
    sysctl,
)
from .engine.machine.modes import attempt, candidates, reasons
from .engine.machine.usual_limits import usual_limits
from .engine.snapshots.layer_store import LayerStore
from .engine.snapshots.memory_snapshots import LocalMemorySnapshots
from .kernel.syscalls import MACHINE, SUPPORTED_MACHINES
from .options import LocalOptions, Mode
from .report import Finding, Report

if TYPE_CHECKING:
    from .engine.factory import Factory
    from .engine.gpus.found import FoundGpus

#: The oldest kernel with all that is used: mount_setattr(2) came with 5.12, and overlayfs in a user
#: namespace with 5.11.
_OLDEST = (5, 12)
#: From here on, tmpfs has the `user.*` attributes in which overlayfs notes opaque directories.
_WITH_ATTRIBUTES = (6, 6)
#: Bytes for the images of a process that does nothing.
_TRIAL_STORE = 1 << 30
_WEAKER = "the mode in use isolates as well; docs/engines.md says what it cannot do"
_SHARED = (
    "a sandbox that uses them up makes operations of others fail: docs/security.md, What the "
    "kernel counts for a user"
)
_NO_HOSTNAME = (
    "hostname and uname -n give the name of this machine inside; /etc/hostname gives the sandbox's"
)
_NO_NETWORK = (
    "sandboxes have their loopback interface only; a kernel with nf_tables is needed, and its "
    "modules nft_ct, nft_connlimit, nft_chain_nat and nft_redir"
)
_NO_GPUS = "tests that need GPUs are skipped, or fail with --gpu=require: docs/gpus.md"
_LIMITS = {"pids": "process", "memory": "memory", "cpu": "processor"}
_UNBOUNDED_MEMORY = (
    "each sandbox is looked at four times a second, and its largest process killed if it uses more "
    "than the default; what grows faster can use all of the machine's memory, and the kernel then "
    "kills processes of sandboxes first"
)
#: systemd passes controllers on to a group of our own only if it is asked to.
_DELEGATE = (
    "run as root, or in a systemd user session: systemd-run --user --scope -p Delegate=yes ..."
)
#: And container engines give cgroups to none but privileged containers.
_WRITABLE = "make /sys/fs/cgroup writable; in a container: --privileged"
#: Version 2 wants the processes of a container out of its root group.
_ENABLE = "have the container enable the controllers: docs/ci.md, Docker and Podman"


def probe(options: LocalOptions | None = None) -> Report:
    """Look at all that the engine can use, and try modes until one works, as the engine does.

    Changes nothing on the machine. Runs an event loop, so it cannot be called where one runs.

    Args:
        options: the engine's settings; with a mode in them, only that is tried.
    """
    return asyncio.run(_probe(options or LocalOptions()))


async def _probe(options: LocalOptions) -> Report:
    findings = [_machine(), _kernel(), *_user_namespaces(), _overlayfs(), *_not_compiled()]
    if os.geteuid() != 0:
        findings.append(_subordinate_ids())
    refused: dict[Mode, ModeRefused] = {}
    chosen: Mode | None = None
    if MACHINE in SUPPORTED_MACHINES:
        for mode in [options.mode] if options.mode else candidates():
            try:
                factory = await attempt(mode, options)
            except ModeRefused as refusal:  # noqa: PERF203 - the loop is about the errors
                refused[mode] = refusal
            else:
                chosen = mode
                findings += _usable(mode, factory, refused, options)
                await factory.close()
                break
    if chosen is None:
        findings += [
            Finding(f"mode: {mode.value}", False, refusal.reason)
            for mode, refusal in refused.items()
        ]
        return Report(tuple(findings), None, advice(refused.values()))
    return Report((*findings, await _memory(options)), chosen.value)


def _usable(
    mode: Mode, factory: Factory, refused: dict[Mode, ModeRefused], options: LocalOptions
) -> list[Finding]:
    """The mode that the engine uses, and what its sandboxes can have."""
    findings = [Finding(f"mode: {mode.value}", True, "a trial sandbox was created and ended")]
    if refused:
        findings.append(Finding("stronger modes", False, reasons(refused), _WEAKER))
    if mode is not Mode.ROOT_SHIFTED:
        shared = "sandboxes share descriptors in flight, memory of pipes and watches of epoll"
        findings.append(Finding("user ids", False, shared, _SHARED))
    if reason := factory.zygote.no_hostname:
        findings.append(Finding("host names", False, reason, _NO_HOSTNAME))
    findings.append(_network(factory.no_network))
    findings += _gpus(factory.gpus)
    findings += _limits(factory.zygote.refused)
    findings.append(Finding("limits", True, usual_limits(options, factory.zygote.controllers)))
    return findings + [_folder(name, why) for name, why in factory.restricted_folders.items()]


def _network(refused: str) -> Finding:
    """Whether sandboxes can have a network besides their loopback interface."""
    text = refused or "connections of a sandbox can be led through the engine"
    return Finding("networks", not refused, text, _NO_NETWORK if refused else "")


def _gpus(found: FoundGpus) -> list[Finding]:
    """The GPUs of this machine, and where sandboxes get their driver; none without one."""
    if found.missing.startswith(NO_DRIVER):
        return []
    if found.missing:
        return [Finding("GPUs", False, found.missing, _NO_GPUS)]
    try:
        machine = this_machine()
    except GpusUnavailable as error:
        return [Finding("GPUs", False, str(error), _NO_GPUS)]
    return [Finding("GPUs", True, f"{machine}; for sandboxes: {found.origin}")]


async def _memory(options: LocalOptions) -> Finding:
    """Whether memory snapshots work, by snapshotting and restoring a process."""
    name = "memory snapshots"
    consequence = "snapshots are of files only, not of running processes"
    store = LayerStore(_TRIAL_STORE)
    memory = LocalMemorySnapshots(options, store, GatewayLink(), "", _no_room)
    if missing := await memory.find_criu():
        return Finding(name, False, missing.reason, consequence, missing.remedy)
    try:
        used = await memory.trial()
    except (EngineError, BuildFailed) as refusal:
        return Finding(name, False, str(refusal), consequence)
    finally:
        await memory.close()
    return Finding(name, True, f"a process was dumped and restored with {used}")


async def _no_room() -> bool:
    """Nothing was made ahead."""
    return False


def _machine() -> Finding:
    known = sorted(SUPPORTED_MACHINES)
    return Finding(
        "machine",
        MACHINE in SUPPORTED_MACHINES,
        f"{MACHINE}; the local engine supports {' and '.join(known)}",
        "the local engine does not run here",
    )


def _kernel() -> Finding:
    release = platform.release()
    version = tuple(int(part) for part in release.replace("-", ".").split(".")[:2])
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Finding(
            "kernel", False, release, f"the engine needs {oldest} or newer", "upgrade the kernel"
        )
    return Finding(
        "kernel",
        version >= _WITH_ATTRIBUTES,
        release,
        "before 6.6, a directory of the image that a sandbox removes and makes again shows its "
        "old contents",
        "upgrade the kernel",
    )


def _not_compiled() -> list[Finding]:
    """Whether Python compiles this package anew in each process; empty if it does not."""
    # That of this module was written when it was imported, if that could be.
    if os.path.exists(importlib.util.cache_from_source(__file__)):
        return []
    folder = os.path.dirname(os.path.dirname(__file__))
    return [
        Finding(
            "compiled modules",
            False,
            f"there are none beside {folder}, and none can be written",
            "each process compiles what it imports: the engine starts about a second later",
            f"{sys.executable} -m compileall -q {folder}",
        )
    ]


def _user_namespaces() -> list[Finding]:
    most = sysctl(MAX_USER_NAMESPACES) or "unknown"
    findings = [
        Finding(
            "user namespaces",
            most != FORBIDDING[MAX_USER_NAMESPACES],
            f"user.max_user_namespaces = {most}",
            "no sandbox can be created",
            REMEDIES[MAX_USER_NAMESPACES],
        )
    ]
    for path in (APPARMOR_USERNS, DEBIAN_USERNS):
        value, name = sysctl(path), path.replace("/", ".")
        if value is not None:
            findings.append(
                Finding(
                    name,
                    value != FORBIDDING[path] or os.geteuid() == 0,
                    f"{name} = {value}",
                    "only root can create sandboxes",
                    REMEDIES[path],
                )
            )
    return findings


def _overlayfs() -> Finding:
    with open("/proc/filesystems") as file:
        known = "overlay" in file.read().split()
    detail = "registered" if known else "not in /proc/filesystems"
    return Finding("overlayfs", known, detail, "no sandbox can be created", LOAD_OVERLAYFS)


def _subordinate_ids() -> Finding:
    name = "subordinate ids"
    try:
        first = [ids.subordinate(f"/etc/sub{kind}").first for kind in ("uid", "gid")]
    except ids.IdsRefused as refusal:
        consequence = "a sandbox has one user only: chown, su and package managers fail inside"
        return Finding(name, False, refusal.reason, consequence, refusal.remedy)
    return Finding(name, True, f"from {first[0]} (users) and {first[1]} (groups)")


def _folder(name: str, why: str) -> Finding:
    consequence = "sandboxes see it, but cannot install into it or change it"
    if name.startswith("not shown"):
        consequence = "sandboxes do not see what is installed there"
    remedy = "run the tests in a virtual environment of yours"
    if os.geteuid() == 0:
        remedy = "run the tests as an ordinary user to whom it belongs"
    return Finding(name, False, why, consequence, remedy)


def _limits(refused: dict[str, str]) -> list[Finding]:
    """The cgroup controllers that can be used, and the others with each reason once."""
    usable = [name for name in _LIMITS if name not in refused]
    findings = [Finding("cgroups", True, f"{', '.join(usable)}: usable")] if usable else []
    by_reason: dict[str, list[str]] = {}
    for name in _LIMITS:
        if name in refused:
            reason = refused[name].replace(f"/{name}/", "/*/")  # each has a hierarchy of its own
            by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        limits = " or ".join(_LIMITS[name] for name in names)
        consequence = f"no {limits} limit can be set for a sandbox"
        if "pids" in names:
            consequence += ", except the kernel's own limit of processes per user"
        if "memory" in names:
            consequence += f"; {_UNBOUNDED_MEMORY}"
        detail = f"{', '.join(names)}: {reason}"
        remedy = _WRITABLE if os.geteuid() == 0 else _DELEGATE
        if os.geteuid() == 0 and "cgroup.subtree_control" in reason:
            remedy = _ENABLE
        findings.append(Finding("cgroups", False, detail, consequence, remedy))
    return findings
