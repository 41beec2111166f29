"""What to say of an RPC that is not implemented: what its caller knows it as, and what to do."""

from typing import NamedTuple


class _Refusal(NamedTuple):
    """What the RPCs whose names begin alike are for.

    Attributes:
        begins: how they begin.
        feature: as a user of Modal's clients knows it.
        remedy: what to do instead.
    """

    begins: tuple[str, ...]
    feature: str
    remedy: str


_ELSEWHERE = "this server runs sandboxes only: replace it in the test by a double"

#: In this order: the first that matches counts.
_REFUSALS = (
    _Refusal(
        ("PersistentSandbox",),
        "Sandbox.create(_experimental_persistent=True)",
        "create the sandbox without it",
    ),
    _Refusal(
        ("SandboxGetTimeRangeStats",),
        "statistics of several sandboxes",
        "ask each sandbox by Sandbox._experimental_stats",
    ),
    _Refusal(
        ("SandboxSetOutboundPolicy", "TaskSetOutboundPolicy"),
        "Sandbox._experimental_update_outbound_policy",
        "use outbound_cidr_allowlist and outbound_domain_allowlist",
    ),
    _Refusal(
        ("SandboxSnapshotFsAsync",),
        "snapshots of files in the background",
        "call snapshot_filesystem()",
    ),
    _Refusal(("SandboxWaitUntilReady",), "Sandbox.wait_until_ready", "use a client from 1.5 on"),
    _Refusal(("Proxy",), "this part of modal.Proxy", "set the proxy up as a preset"),
    _Refusal(("SharedVolume",), "modal.NetworkFileSystem", "use modal.Volume"),
    _Refusal(("Dict",), "modal.Dict", _ELSEWHERE),
    _Refusal(("Queue",), "modal.Queue", _ELSEWHERE),
    _Refusal(("Class", "Cls"), "modal.Cls", _ELSEWHERE),
    _Refusal(
        ("Function", "Map", "Attempt", "Flash"), "modal.Function (remote, map, spawn)", _ELSEWHERE
    ),
    _Refusal(("Tunnel",), "modal.forward", "use Sandbox.tunnels()"),
    _Refusal(("AppList",), "the list of apps", "App.lookup finds an app by its name"),
    _Refusal(
        ("AppDeploy", "AppRollback", "AppSetObjects"),
        "the deployment of an app",
        "use App.lookup(name, create_if_missing=True)",
    ),
    _Refusal(("Environment",), "this part of modal.Environment", "it ends with the server"),
    _Refusal(("Workspace", "User", "Token", "Billing"), "the workspace", _ELSEWHERE),
)


def refusal(service: str, rpc: str) -> str:
    """The message for a call of an RPC that is not implemented.

    Args:
        service: with its package.
        rpc: its name.
    """
    for each in _REFUSALS:
        if rpc.startswith(each.begins):
            return f"{each.feature} is not implemented by pytest-sandbox ({rpc}): {each.remedy}"
    return f"{rpc} (of {service}) is not implemented by pytest-sandbox"
