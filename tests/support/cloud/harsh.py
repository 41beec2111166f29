"""A cloud that does all that can go wrong."""

from typing import Any

from .options import CloudOptions, Loss, RateLimit

#: Each of these happens once or more to `harsh_program`. Tokens of the router last longer than
#: clients need to see that they are about to expire: see `expire_tokens`.
HARSH = CloudOptions(
    auth_token_lifetime=0,
    leeway=60,
    router_token_lifetime=40,
    start_polls=2,
    router_refusals=1,
    list_delay=1,
    rate_limits={"SandboxCreateV2": RateLimit(2), "TaskExecStart": RateLimit(1)},
    api_losses=[
        Loss("AppGetOrCreate", how="goaway"),
        Loss("SandboxCreateV2", nth=3, carried_out=True),
    ],
    router_losses=[
        Loss("TaskExecStart", nth=3, how="goaway", carried_out=True),
        Loss("TaskExecStdioRead"),
        Loss("SandboxStdinWriteV2", how="goaway", carried_out=True),
    ],
    warnings={"SandboxCreateV2": "the café closes"},
)


def expire_tokens(cloud: Any) -> None:
    """Have tokens of the router expire in the middle of the program, which clients do not see."""
    cloud.hooks.at("TaskExecStart", 5, lambda: cloud.clock.advance(50))
