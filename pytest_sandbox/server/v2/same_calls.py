"""RPCs that have the messages of the first version, and a name of their own."""

from ..model.state import State
from ..v1.connect_tokens import ConnectTokenServicer
from ..v1.sandboxes import SandboxServicer
from ..v1.tunnels import TunnelServicer
from .sandbox_tokens import with_sandbox_token


class SameCallServicer:
    """Serves them by V1's servicers, for sandboxes of either version: clients mix them.

    Args:
        state: the server's.
        sandboxes: V1's servicers.
        tunnels: likewise.
        connect_tokens: likewise.
    """

    def __init__(
        self,
        state: State,
        sandboxes: SandboxServicer,
        tunnels: TunnelServicer,
        connect_tokens: ConnectTokenServicer,
    ) -> None:
        self.SandboxListV2 = sandboxes.SandboxList
        self.SandboxGetFromNameV2 = sandboxes.SandboxGetFromName
        self.SandboxGetTaskIdV2 = with_sandbox_token(state, sandboxes.SandboxGetTaskId)
        self.SandboxWaitV2 = with_sandbox_token(state, sandboxes.SandboxWait)
        self.SandboxTerminateV2 = with_sandbox_token(state, sandboxes.SandboxTerminate)
        self.SandboxTagsGetV2 = with_sandbox_token(state, sandboxes.SandboxTagsGet)
        self.SandboxTagsSetV2 = with_sandbox_token(state, sandboxes.SandboxTagsSet)
        self.SandboxGetTunnelsV2 = with_sandbox_token(state, tunnels.SandboxGetTunnels)
        self.SandboxCreateConnectTokenV2 = with_sandbox_token(
            state, connect_tokens.SandboxCreateConnectToken
        )
