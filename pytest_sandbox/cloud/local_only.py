"""What engines of this machine have and Modal's cloud has not, refused by the user's own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from grpclib import GRPCError, Status

if TYPE_CHECKING:
    from collections.abc import Callable

#: What our client adds to an image that shows the project.
_PROJECT = "LABEL pytest-sandbox.project=true"
_REMEDY = "run the test with --sandbox-engine=local"
#: What the calls of our own service are for, and what to do instead.
_CALLS = {
    "SandboxRestoreImage": ("Sandbox.restore()", "create a sandbox from the image"),
    "SandboxUsage": ("Sandbox.usage()", "ask for Sandbox._experimental_stats()"),
    "SandboxCreateInNetwork": ("a network of sandboxes", _REMEDY),
    "SandboxRestoreInNetwork": ("a network of sandboxes", _REMEDY),
    "ImageKeep": ("a template that is stored beyond the run (cache=True)", "leave cache=True out"),
    "ImageFromArchive": ("an image of an archive", "push it to a registry"),
    "Serve": ("the fixture modal_server", "use Modal's client without it, or " + _REMEDY),
    "Preset": ("the marker modal_server(preset=...)", _REMEDY),
    "ExecKill": ("an end of a command from outside", "give it a timeout="),
    "SandboxPrepare": ("a pool of sandboxes", "--sandbox-pool=off"),
}


def refusal_of(rpc: str) -> Callable[..., Any]:
    """A handler that refuses each call of an RPC."""
    what, remedy = _CALLS[rpc]

    async def refuse(request: object, call: object) -> NoReturn:
        raise _refused(what, remedy)

    return refuse


def refuse_local_image(image: Any) -> None:
    """Refuse the view of this machine.

    Raises:
        GRPCError: it is that.
    """
    lines = list(image.dockerfile_commands)
    if lines[:1] == ["FROM host"] and not image.base_images:
        raise _refused(
            "Image.host(), which is a view of this machine",
            "name an image that Modal can build: --sandbox-image=python:3.12-slim, or image= in "
            "the marker",
        )
    if _PROJECT in lines:
        raise _refused(
            "project=True (or --sandbox-project), as the project is on this machine",
            "copy what the test needs: Image.add_local_dir(), or Sandbox.upload()",
        )


def _refused(what: str, remedy: str) -> GRPCError:
    return GRPCError(Status.UNIMPLEMENTED, f"Modal's cloud does not have {what}: {remedy}")
