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
        "create the sandbox without it, and another one from its snapshot_filesystem() to go on "
        "later",
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
    # Functions of apps ask for FunctionPrecreate first; only those of steps begin with this.
    _Refusal(("FunctionCreate",), "Image.run_function", "a step runs a command: use run_commands"),
    _Refusal(
        ("Function", "Map", "Attempt", "Flash", "Blob"),
        "modal.Function (remote, map, spawn)",
        _ELSEWHERE,
    ),
    _Refusal(("Server", "Endpoint"), "modal.Server", _ELSEWHERE),
    _Refusal(("Cluster", "TaskCluster"), "modal.Cluster", _ELSEWHERE),
    _Refusal(("Tunnel",), "modal.forward", "use Sandbox.tunnels()"),
    _Refusal(
        ("AppDeploy", "AppRollback", "AppRollover", "AppPromote", "AppSetObjects"),
        "the deployment of an app",
        "use App.lookup(name, create_if_missing=True)",
    ),
    _Refusal(("App",), "this part of modal.App", "apps group sandboxes, and end with the server"),
    _Refusal(
        ("ImageBuildChainGet",), "Image.logs", "modal.enable_output() shows what a build prints"
    ),
    _Refusal(
        ("Image",),
        "a name of an image (Image.publish, Image.from_name, `modal image`)",
        "use its object_id with Image.from_id",
    ),
    _Refusal(("Environment",), "this part of modal.Environment", "it ends with the server"),
    _Refusal(
        ("Container", "Task"),
        "`modal container`, and what runs in containers of functions",
        "use Sandbox.list, exec and terminate",
    ),
    _Refusal(
        ("Workspace", "User", "ServiceUser", "Token", "WebhookToken", "AuditLog", "Domain"),
        "the workspace",
        _ELSEWHERE,
    ),
    _Refusal(
        ("CliCommandSuggest", "ObjectSuggest", "CurlGetAuthToken", "MetricsGetInfo", "Template"),
        "this part of Modal's command line",
        _ELSEWHERE,
    ),
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
