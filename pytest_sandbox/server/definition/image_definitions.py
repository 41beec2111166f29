"""Reading definitions of images: from the message on the wire to a plan."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from pytest_sandbox._proto import images_pb2 as pb
from pytest_sandbox.engine import Capability

from ..builds.bases import Bases
from ..builds.build_input import BuildInput
from ..builds.context import BuildContext
from ..builds.failures import has_network
from ..builds.known_plans import KnownPlans
from ..builds.packages import shows_packages
from ..builds.plan import Plan, plan
from ..model.checks import check_environment, check_workdir
from ..registries.logins import login_of
from ..registries.registry_images import Wanted
from ..rpc.errors import invalid, unimplemented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.images.registry import Login

    from ..model.images import ImageRecord
    from ..model.state import State

_MACHINES = {"x86_64": pb.ARCH_X86_64, "aarch64": pb.ARCH_AARCH64}
_NO_FUNCTIONS = "Image.run_function", "a step runs a command: use run_commands"
#: Fields of a definition that change the build, with what sets them, and what to do instead.
_REFUSED = {
    "build_function_def": _NO_FUNCTIONS,
    "build_function": _NO_FUNCTIONS,
    "gpu_config": ("gpu of a step of an image", "steps have none; give it to Sandbox.create"),
    "volume_mounts": (
        "volumes of a step of an image",
        "copy what the step needs into the image, with add_local_dir(..., copy=True)",
    ),
}


class Definitions:
    """Reads the definitions of images.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._known = KnownPlans(state.images)
        # Tells secrets apart in keys of layers, and is known to nobody.
        self._secrets_key = secrets.token_bytes(32)

    def known(self, definition: pb.Image) -> ImageRecord | None:
        """The image of a definition that was read before, if it is built."""
        return self._known.image(definition)

    async def read(self, definition: pb.Image, *, force: bool) -> Plan:
        """Read a definition.

        Args:
            definition: of an image.
            force: look up where tags of registries lead now.

        Raises:
            GRPCError: INVALID_ARGUMENT or UNIMPLEMENTED.
            ImageUnavailable: an image of a registry cannot be had.
        """
        for name, (argument, instead) in _REFUSED.items():
            value = getattr(definition, name)
            # Clients send empty messages for arguments that were not given.
            if value.ByteSize() if isinstance(value, Message) else value:
                raise unimplemented(f"{argument} is not implemented by pytest-sandbox: {instead}")
        if definition.arch not in pb.Arch.values():
            raise invalid(f"arch={definition.arch} of an image is not known")
        if definition.arch not in (pb.ARCH_UNSPECIFIED, _MACHINES.get(os.uname().machine)):
            arch = pb.Arch.Name(definition.arch).removeprefix("ARCH_").lower()
            raise unimplemented(
                f"arch={arch!r} of an image is not implemented by pytest-sandbox: the machine "
                f"{os.uname().machine} runs its own; leave it out"
            )
        around = self._surroundings(definition, force=force)
        planned = await plan(definition.dockerfile_commands, around)
        for image in planned.images:
            check_environment(image.env.items())
            check_workdir(image.workdir)
        self._known.add(definition, planned)
        return planned

    def _surroundings(self, definition: pb.Image, *, force: bool) -> BuildInput:
        state = self._state
        mount_id = definition.context_mount_id
        mounted = state.local_files.get(mount_id).files if mount_id else ()
        hidden = state.secrets.variables(definition.secret_ids)
        check_environment([*hidden.items(), *definition.build_args.items()])
        named = {base.docker_tag: base.image_id for base in definition.base_images}
        return BuildInput(
            bases=Bases(state, named, Wanted(self._login(definition), force)),
            with_project=self._with_project,
            context=BuildContext.of(mounted, definition.context_files),
            build_args=dict(definition.build_args),
            secrets=hidden,
            secrets_digest=self._digest(hidden),
            search_path=state.info.search_path,
            packages=shows_packages(state.engine),
            network=has_network(state.info),
            one_image=state.info.one_image,
        )

    def _login(self, definition: pb.Image) -> Login | None:
        config = definition.image_registry_config
        if not config.secret_id:
            return None
        return login_of(
            config.registry_auth_type, self._state.secrets.variables([config.secret_id])
        )

    def _digest(self, hidden: Mapping[str, str]) -> str:
        text = json.dumps(sorted(hidden.items())).encode("utf-8", "surrogatepass")
        return hmac.new(self._secrets_key, text, hashlib.sha256).hexdigest() if hidden else ""

    def _with_project(self, image: ImageRecord) -> ImageRecord:
        info = self._state.info
        if Capability.PROJECT not in info.capabilities:
            why = info.details.get("no project", "it has no files of this machine")
            raise unimplemented(f"project: the engine {info.name!r} cannot show it here: {why}")
        return replace(image, project=True, workdir=image.workdir or info.project)
