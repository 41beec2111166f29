"""What to do where no mode works: everything at once, for the place where this process runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...kernel import caps
from .ids import is_root_of_machine
from .mode_refused import FORBIDDING, REMEDIES, sysctl
from .surroundings import Surroundings, surroundings, user_namespaces_are_refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .mode_refused import ModeRefused

#: What Docker takes away, given back: user namespaces, mounts in them, and a whole `/proc`.
_OPENED_DOCKER = (
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined"
)
#: The same in Podman, which allows the first two, and in Kubernetes.
_OPENED_PODMAN = "--security-opt unmask=ALL"
_OPENED_POD = (
    "procMount: Unmasked, seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}"
)
#: What root needs to give sandboxes user ids: those of others, and those of a namespace of its own,
#: its own id among them. user_namespaces(7), "Defining user and group ID mappings".
_TO_MAP_OTHERS = ("DAC_OVERRIDE", "SETGID", "SETUID")
_TO_MAP_ITS_OWN = ("SETFCAP", "SETGID", "SETUID")


def advice(refusals: Iterable[ModeRefused]) -> str:
    """What to do, in lines; those that begin with `sudo ` are commands to copy.

    Args:
        refusals: of all modes.
    """
    place = surroundings()
    if place is Surroundings.MACHINE:
        own = _of_the_machine() or _keep_capabilities()
        return "\n".join(own or dict.fromkeys(_remedies(refusals)))
    return "\n".join([f"This is a {place.value}.", *_IN[place]()])


def _remedies(refusals: Iterable[ModeRefused]) -> Iterable[str]:
    return (refusal.remedy for refusal in refusals if refusal.remedy)


def _of_the_machine() -> list[str]:
    """Every setting that keeps ordinary users from user namespaces."""
    return [] if os.geteuid() == 0 else _settings()


def _missing_capabilities(*, own_ids: bool) -> list[str]:
    """What root lacks, as in a container that was started with `--cap-drop`.

    Args:
        own_ids: whether root has, or is advised to have, a user namespace of its own.
    """
    if os.geteuid() != 0:
        return []
    needed = _TO_MAP_ITS_OWN if own_ids else _TO_MAP_OTHERS
    return [name for name in needed if not caps.has(caps.KEPT[name])]


def _keep_capabilities() -> list[str]:
    missing = _missing_capabilities(own_ids=not is_root_of_machine())
    if not missing:
        return []
    return [
        f"Root lacks capabilities: {', '.join(missing)}.",
        "Run the tests as an ordinary user, or let root have these.",
    ]


def _settings() -> list[str]:
    return [REMEDIES[name] for name, value in FORBIDDING.items() if sysctl(name) == value]


def _in_chroot() -> list[str]:
    return [
        "The kernel makes no user namespaces in one: unshare(2), EPERM.",
        "Enter it as a container: systemd-nspawn -D DIRECTORY, or podman run --rootfs DIRECTORY",
    ]


def _in_docker() -> list[str]:
    return _started_by("docker", _OPENED_DOCKER)


def _in_podman() -> list[str]:
    forbidden = " --security-opt seccomp=unconfined" if user_namespaces_are_refused() else ""
    return _started_by("podman", _OPENED_PODMAN + forbidden)


def _started_by(command: str, options: str) -> list[str]:
    missing = _missing_capabilities(own_ids=not is_root_of_machine())
    added = "".join(f" --cap-add {name}" for name in missing)
    lines = ["Start it with:", f"{command} run {options}{added} ..."]
    if missing:
        lines += ["or as an ordinary user:", f"{command} run --user 1000:1000 {options} ..."]
    if os.geteuid() == 0:
        lines += [
            "or, for limits of memory and processors too, which leaves no boundary but sandboxes:",
            f"{command} run --privileged ...",
        ]
    # Root of a container without CAP_SYS_ADMIN is an ordinary user to these.
    if settings := _settings():
        lines += ["and before that, on the machine that runs it:", *settings]
    return lines


def _in_github() -> list[str]:
    return [
        "Give the job `container: {image: ..., options: --privileged}`,",
        "or leave out `container:`, as sandboxes work on the runner itself: docs/ci.md",
    ]


def _in_gitlab() -> list[str]:
    return ["Set `privileged = true` in [runners.docker] of the runner's config.toml: docs/ci.md"]


def _in_kubernetes() -> list[str]:
    missing = _missing_capabilities(own_ids=True)
    added = f", capabilities: {{add: [{', '.join(missing)}]}}" if missing else ""
    return [
        "Give the container `securityContext: {privileged: true}`,",
        "or the pod `hostUsers: false` and the container",
        f"`securityContext: {{{_OPENED_POD}{added}}}`",
    ]


_IN = {
    Surroundings.CHROOT: _in_chroot,
    Surroundings.DOCKER: _in_docker,
    Surroundings.PODMAN: _in_podman,
    Surroundings.GITHUB: _in_github,
    Surroundings.GITLAB: _in_gitlab,
    Surroundings.KUBERNETES: _in_kubernetes,
}
