"""Which calls belong to which version of the sandbox API, and which clients are served."""

import re

from grpclib import GRPCError, Status

#: Calls of the second version whose names do not say so. Like the others, they show the token of
#: `AuthTokenGet`.
_SECOND = frozenset({"SandboxGetCommandRouterAccess", "SandboxSetName"})
#: Calls of neither version, or of both.
_BOTH = frozenset({"SandboxSnapshotGet", "SandboxGetResourceUsage", "SandboxGetStats"})
#: What finds nothing, as there are no sandboxes of the first version. Clients ask it after the
#: call of the second version has found nothing.
_FINDS_NOTHING = frozenset({"SandboxGetFromName"})
_VERSION = re.compile(r"(\d+)\.(\d+)")


def is_second(rpc: str) -> bool:
    """Whether a call of the API belongs to the second version."""
    return rpc in _SECOND or (rpc.startswith("Sandbox") and rpc.endswith("V2"))


def refuse_first(rpc: str) -> None:
    """Refuse a call of the API that belongs to the first version.

    Raises:
        GRPCError: UNIMPLEMENTED or NOT_FOUND.
    """
    if is_second(rpc) or rpc in _BOTH:
        return
    if rpc in _FINDS_NOTHING:
        raise GRPCError(Status.NOT_FOUND, "there are no sandboxes of the first version")
    if rpc.startswith(("Sandbox", "Container", "Task")):
        raise GRPCError(
            Status.UNIMPLEMENTED, f"{rpc} is of the first version, which this cloud does not have"
        )


def refuse_old(version: str, oldest: tuple[int, int]) -> None:
    """Refuse a client by the version that it says.

    Raises:
        GRPCError: FAILED_PRECONDITION.
    """
    found = _VERSION.match(version)
    if found is None or (int(found[1]), int(found[2])) < oldest:
        wanted = ".".join(map(str, oldest))
        raise GRPCError(
            Status.FAILED_PRECONDITION,
            f"the client version {version!r} is too old: this cloud serves {wanted} and later ones",
        )
