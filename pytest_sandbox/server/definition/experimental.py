"""The `experimental_options` of a sandbox."""

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import Capability, EngineInfo

from ..rpc.errors import unimplemented

_EXIT_SNAPSHOT = "enable_exit_snapshot"
#: They choose among Modal's machines, and say what part of their memory is for sidecars. Here,
#: sidecars share what the sandbox has.
_WITHOUT_EFFECT = frozenset({"vm_runtime", "vm_sidecar_memory_reserve_mib"})
#: What to do instead of giving an option that is known.
_INSTEAD = {
    "enable_docker": (
        "no Docker can run in a sandbox; make sandboxes of the images (Image.from_registry), or "
        "script the command docker with the engine fake"
    ),
    "proxy_traffic_via_sidecar": (
        "connections of a sandbox go where they lead; give its programs the address of the "
        "sidecar, which is its name, by HTTPS_PROXY or what else they read"
    ),
}
#: What clients make of `False` and `None`: such an option asks for nothing.
_FALSE = frozenset({"", "0", "false", "none"})


def wants_exit_snapshot(definition: pb.Sandbox, info: EngineInfo) -> bool:
    """Whether a snapshot of the files is to be taken when the sandbox has ended.

    Raises:
        GRPCError: UNIMPLEMENTED: the engine takes none, or another option is not implemented.
    """
    if not (definition.experimental_options or definition.experimental_options_v2):
        return False
    options = {name: str(value) for name, value in definition.experimental_options.items()}
    options.update(definition.experimental_options_v2)
    asked = {name for name, value in options.items() if value.lower() not in _FALSE}
    for name in sorted(asked - _WITHOUT_EFFECT - {_EXIT_SNAPSHOT}):
        raise unimplemented(
            f"experimental_options={{{name!r}: ...}} is not implemented by pytest-sandbox: "
            f"{_INSTEAD.get(name, 'create the sandbox without it')}"
        )
    if _EXIT_SNAPSHOT not in asked:
        return False
    if Capability.SNAPSHOT not in info.capabilities:
        raise unimplemented(
            f"experimental_options={{{_EXIT_SNAPSHOT!r}: True}}: the engine {info.name!r} takes no "
            "snapshots"
        )
    return True
