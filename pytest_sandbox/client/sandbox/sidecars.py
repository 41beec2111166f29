"""The sidecars of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.router_pb2 import (
    TaskContainerGetRequest,
    TaskContainerInfo,
    TaskContainerListRequest,
)
from pytest_sandbox._proto.sandboxes_pb2 import Sandbox as Definition
from pytest_sandbox._proto.sandboxes_v2_pb2 import SandboxContainerCreateV2Request

from ..image import Image, image_id, mount_ids
from ..process.terminal import terminal
from ..proxy import Proxy, check_proxy, proxy_id
from ..secrets.secret import Secret, check_secrets
from ..transport.dual import dual
from ..transport.portal_call import delivered
from ..validation import check_command, check_environment, check_name, check_workdir
from .resources import network_access
from .sidecar import SidecarContainer
from .volume_mounts import check_volumes, volume_mounts

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Sequence

    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls
    from ..volume import Volume

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SidecarManager:
    """Creates and finds the sidecars of one sandbox; `Sandbox._experimental_sidecars`.

    Args:
        client: of the sandbox.
        task: of the sandbox.
    """

    def __init__(self, client: BaseClient, task: TaskCalls) -> None:
        self._client = client
        self._task = task

    @dual
    async def create(
        self,
        *args: str,
        name: str,
        image: Image,
        env: dict[str, str] | None = None,
        secrets: Collection[Secret] | None = None,
        workdir: str | None = None,
        volumes: dict[str | os.PathLike[str], Volume] | None = None,
        outbound_cidr_allowlist: Sequence[str] | None = None,
        outbound_domain_allowlist: Sequence[str] | None = None,
        include_oidc_identity_token: bool = False,
        proxy: Proxy | None = None,
        pty: bool = False,
        experimental_memory_reserve_consume_mib: int | None = None,
    ) -> SidecarContainer:
        """Create a sidecar; it runs when this returns.

        It shares the limits of the sandbox, and a network with it: there, the sandbox is `main`,
        and a sidecar has its name.

        Args:
            *args: its main process, with which it ends; without one it runs until it is terminated,
                or its sandbox ends.
            name: of the sidecar, not `"main"`, and not in use by one that runs.
            image: the files that it starts with.
            env: environment variables; they come last and win.
            secrets: more environment variables.
            workdir: the working directory, absolute.
            volumes: the volumes to mount, by absolute path.
            outbound_cidr_allowlist: as in `Sandbox.create`; an empty list leaves it the sandbox and
                its other sidecars.
            outbound_domain_allowlist: as in `Sandbox.create`.
            include_oidc_identity_token: as in `Sandbox.create`.
            proxy: as in `Sandbox.create`.
            pty: run the main process on a terminal.
            experimental_memory_reserve_consume_mib: has no effect: it has the memory of its
                sandbox.

        Raises:
            AlreadyExistsError: a sidecar of that name runs.
            ConflictError: the sandbox has ended.
            InvalidError: an argument makes no sense, or the sandbox has `block_network`.
            UnimplementedError: the engine has no networks of sandboxes here.
        """
        check_command(args, empty=True)
        check_workdir(workdir)
        check_name(name, "Sidecar")
        check_volumes(volumes or {})
        check_proxy(proxy)
        given = [*check_secrets(secrets), *([Secret.from_dict({**env})] if env else [])]
        check_environment({**(env or {})})
        access = network_access(
            False, None, None, outbound_cidr_allowlist, outbound_domain_allowlist
        )
        definition = Definition(
            entrypoint_args=args,
            image_id=await image_id(image, self._client),
            mount_ids=await mount_ids(image, self._client),
            workdir=workdir,
            volume_mounts=await volume_mounts(volumes or {}, self._client),
            network_access=access,
            pty_info=terminal(pty),
            include_oidc_identity_token=include_oidc_identity_token,
            proxy_id=await proxy_id(proxy, self._client),
        )
        request = SandboxContainerCreateV2Request(
            sandbox_id=self._task.sandbox_id,
            container_name=name,
            definition=definition,
            secret_sources=[await each.reference.source(self._client) for each in given],
        )
        return await delivered(self._created(request), _end)

    async def _created(self, request: SandboxContainerCreateV2Request) -> SidecarContainer:
        response = await self._client.calls.control(
            lambda link: link.control.SandboxContainerCreateV2, request
        )
        task = self._task.of_sidecar(response.container_id)
        return SidecarContainer(self._client, task, response.container_name)

    @dual
    async def get(self, *, name: str, include_terminated: bool = False) -> SidecarContainer:
        """The sidecar of a name that runs.

        Args:
            name: of the sidecar.
            include_terminated: if none runs, take the latest that has ended.

        Raises:
            NotFoundError: there is none.
        """
        request = TaskContainerGetRequest(
            task_id=await self._task.id(),
            container_name=name,
            include_terminated=include_terminated,
        )
        response = await self._task.call(lambda link: link.router.TaskContainerGet, request)
        return self._found(response.container)

    # Last, because within the class the name hides the builtin

    @dual
    async def list(self, include_terminated: bool = False) -> list[SidecarContainer]:
        """The sidecars that run, the oldest first.

        Args:
            include_terminated: those that have ended, too.
        """
        request = TaskContainerListRequest(
            task_id=await self._task.id(), include_terminated=include_terminated
        )
        response = await self._task.call(lambda link: link.router.TaskContainerList, request)
        return [self._found(each) for each in response.containers]

    def _found(self, info: TaskContainerInfo) -> SidecarContainer:
        task = self._task.of_sidecar(info.container_id)
        result = info.result if info.HasField("result") and info.result.status else None
        return SidecarContainer(self._client, task, info.container_name, result)


async def _end(sidecar: SidecarContainer) -> None:
    await sidecar.terminate.core()
