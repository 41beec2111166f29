"""A pod's YAML as options of podman, which restrict a container as Kubernetes would."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pathlib import Path

#: The first id of the machine that a pod in a user namespace has, and how many follow.
IDS = (700_000_000, 65_536)


def patched(document: Any, patch: Any) -> Any:
    """A document after a patch; lists of things with names are merged by their names."""
    if isinstance(document, dict) and isinstance(patch, dict):
        both = {name: patched(document.get(name), value) for name, value in patch.items()}
        return {**document, **both}
    if isinstance(document, list) and patch and isinstance(patch[0], dict):
        by_name = {each["name"]: each for each in patch}
        return [patched(each, by_name.get(each["name"], {})) for each in document]
    return patch


def podman_options(pod: dict[str, Any], secret: Path) -> list[str]:
    """Options of `podman run` for the only container of a pod.

    Args:
        pod: its `spec`.
        secret: folder with what its volumes of secrets have.

    Raises:
        KeyError: the manifest has a setting that is not translated.
    """
    (container,) = pod["containers"]
    settings = {**pod["securityContext"], **container["securityContext"]}
    settings.pop("runAsNonRoot")  # a check of the kubelet, which restricts nothing
    user, group = settings.pop("runAsUser"), settings.pop("runAsGroup")
    files = settings.pop("fsGroup")
    first, count = IDS
    options = [f"--user={user}:{group}", f"--group-add={files}"]
    if not pod["hostUsers"]:
        options += [f"--uidmap=0:{first}:{count}", f"--gidmap=0:{first}:{count}"]
    for name, value in settings.items():
        options += _SETTINGS[name](value)
    volumes = {each["name"]: each for each in pod["volumes"]}
    for mount in container["volumeMounts"]:
        options.append(_volume(mount, volumes[mount["name"]], secret, first + files))
    return [*options, f"--memory={container['resources']['limits']['memory'].lower().rstrip('i')}"]


def _volume(mount: dict[str, Any], volume: dict[str, Any], secret: Path, group: int) -> str:
    path = mount["mountPath"]
    if "emptyDir" in volume:
        return f"--tmpfs={path}:mode=2777"
    for file in secret.iterdir():
        file.chmod(volume["secret"]["defaultMode"])
        os.chown(file, IDS[0], group)
    secret.chmod(0o755)
    return f"--volume={secret}:{path}:ro"


def _capabilities(value: dict[str, list[str]]) -> list[str]:
    added = [f"--cap-add={name}" for name in value.get("add", [])]
    return [f"--cap-drop={name}" for name in value["drop"]] + added


def _when(value: object, expected: object, *options: str) -> list[str]:
    return [f"--{option}" for option in options] if value == expected else []


def _unconfined(kind: str, value: dict[str, str]) -> list[str]:
    return _when(value["type"], "Unconfined", f"security-opt={kind}=unconfined")


_SETTINGS = cast(
    "Any",
    {
        "allowPrivilegeEscalation": lambda value: _when(
            value, False, "security-opt=no-new-privileges"
        ),
        "readOnlyRootFilesystem": lambda value: _when(
            value, True, "read-only", "read-only-tmpfs=false"
        ),
        "procMount": lambda value: _when(value, "Unmasked", "security-opt=unmask=ALL"),
        "capabilities": _capabilities,
        "seccompProfile": lambda value: _unconfined("seccomp", value),
        "appArmorProfile": lambda value: _unconfined("apparmor", value),
    },
)
