"""Creating sandboxes: reserves the name, creates the task, wraps it in a sandbox."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import background, finish
from pytest_sandbox._shared.lazy_dataclass import replace
from pytest_sandbox.engine import (
    Membership,
    SpawnFailed,
    SupportsPrepare,
    SupportsSidecars,
    Task,
    TaskEnded,
    TaskLost,
    TaskSpec,
)

from ..commands.command_hints import raise_with_hint
from ..definition.definition import DEFAULT_TIMEOUT, task_spec
from ..definition.identity import VARIABLE
from ..definition.refused import refuse_unimplemented
from ..rpc.call import ANOTHER
from ..rpc.errors import already_exists, invalid, precondition, unimplemented
from .checks import check_command
from .ids import Family, SandboxIdentity, check_name
from .result import TERMINATED
from .sandbox import ServedSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from pytest_sandbox.engine import EngineInfo

    from ..builds.builder import Builder
    from ..rpc.call import ServedCall
    from .apps import AppRecord
    from .images import ImageRecord
    from .state import State


class SandboxCreator:
    """Creates the sandboxes of one server.

    Args:
        state: the server's.
        builder: gives what adds local files to images.
    """

    def __init__(self, state: State, builder: Callable[[], Builder]) -> None:
        self._state = state
        self._builder = builder
        self._reserved: set[tuple[str, str]] = set()
        self._last: _Specified | None = None

    async def specify(
        self,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[ImageRecord, TaskSpec]:
        """The image and the engine's spec of a sandbox.

        Args:
            definition: what the client asks for; a missing time-out is set to the default.
            tags: name to value.
            variables: of the environment, besides those in the definition and its secrets.

        Raises:
            GRPCError: the definition cannot be served; the message says why.
        """
        info, last = self._state.info, self._last
        asked = definition.SerializeToString(deterministic=True)
        known = last is not None and last.asked == asked and last.info is info
        if not known:
            refuse_unimplemented(definition, info)
            if definition.entrypoint_args:
                check_command(definition.entrypoint_args)
        if definition.proxy_id:
            self._state.proxies.get(definition.proxy_id)
        if not definition.timeout_secs:
            definition.timeout_secs = DEFAULT_TIMEOUT
        if self._state.encrypted_snapshot(definition.image_id) is not None:
            raise invalid(
                f"Image {definition.image_id!r} is an encrypted snapshot of a directory: it can "
                "only be mounted, with its key"
            )
        image = self._state.images.get(definition.image_id)
        if definition.mount_ids:
            image = await self._builder().with_local_files(image, definition.mount_ids)
        if image.is_built:
            self._builder().used(image)
        secrets = {**self._state.secrets.variables(definition.secret_ids), **variables}
        if last is not None and known and last.has(image, secrets, tags):
            return image, last.spec
        spec = task_spec(definition, image, secrets, lambda: self._state.volumes, tags, info)
        if not spec.volumes:  # which may be others the next time
            self._last = _Specified(asked, info, image, secrets, tags, spec)
        return image, spec

    async def create(
        self,
        app: AppRecord,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        image: ImageRecord,
        spec: TaskSpec,
        *,
        caller: str,
        resumed_from: str = "",
        family: Family = Family.FIRST,
    ) -> ServedSandbox:
        """Create a sandbox; it runs when this returns.

        Args:
            app: the app it belongs to.
            definition: what was asked for.
            tags: name to value.
            image: of its files.
            spec: for the engine.
            caller: that the client says it is, by which faults find the sandbox.
            resumed_from: id of the memory snapshot that it starts from; empty if none.
            family: of the API that it is created by.

        Raises:
            GRPCError: FAILED_PRECONDITION, ALREADY_EXISTS, INVALID_ARGUMENT for its name, or
                UNAVAILABLE.
            EngineError: whatever the engine raises.
        """
        _check_not_stopped(app)
        reserved = self._reserve_name(app, definition)
        try:
            identity = self._identity(app, definition, family)
            groups = {group_of_caller(caller), identity.id}
            sandbox = await self._create(
                *(identity, definition, tags, image, replace(spec, groups=frozenset(groups))),
                self._state.engine.create,
                resumed_from=resumed_from,
            )
        finally:
            self._reserved.discard(reserved)
        try:
            # The stop of the app ended the sandboxes that it found: this was none of them yet.
            _check_not_stopped(app)
        except GRPCError:
            await sandbox.end(TERMINATED)
            raise
        return sandbox

    async def prepare(self, spec: TaskSpec) -> None:
        """Tell the engine that such a sandbox is likely to be created soon."""
        if isinstance(self._state.engine, SupportsPrepare):
            await self._state.engine.prepare(spec)

    def prepare_another(self, sandbox: ServedSandbox, call: ServedCall) -> None:
        """The same, of one like a new sandbox, if the call that has created it says so.

        Its client gets the answer first. Who may not make the call `SandboxPrepare` gives no hint.
        """
        if call.header(ANOTHER) and call.listener.inspector:
            # Its id only: a call without an answer is remembered for longer than its sandbox.
            sandbox_id = sandbox.id
            call.on_answered = lambda: background(self._prepare_like(sandbox_id))

    async def _prepare_like(self, sandbox_id: str) -> None:
        spec = self._state.sandboxes.get(sandbox_id).spec
        await self.prepare(replace(spec, groups=frozenset()))

    async def create_sidecar(
        self,
        main: ServedSandbox,
        name: str,
        definition: pb.Sandbox,
        image: ImageRecord,
        spec: TaskSpec,
    ) -> ServedSandbox:
        """Create a container beside a sandbox, which ends with it; it runs when this returns.

        Args:
            main: the sandbox.
            name: by which the two, and others of the sandbox, reach it.
            definition: what was asked for.
            image: of its files.
            spec: for the engine.

        Raises:
            GRPCError: ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT or UNAVAILABLE.
            EngineError: whatever the engine raises.
        """
        with main.sidecars.reserved(name):
            network = (await main.connect_sidecars()).network
            identity = self._identity_of_sidecar(main, name)
            spec = replace(
                spec,
                name=name,
                membership=Membership(network, (name.lower(),)),
                groups=main.spec.groups | {identity.id},
            )
            sidecar = await self._create(
                *(identity, definition, {}, image, spec),
                SupportsSidecars.of(main.task).create_sidecar,
                main=main,
            )
        try:
            main.check_running()
        except TaskEnded:
            await sidecar.end(TERMINATED)
            raise
        return sidecar

    async def _create(
        self,
        identity: SandboxIdentity,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        image: ImageRecord,
        spec: TaskSpec,
        make: Callable[[TaskSpec], Coroutine[Any, Any, Task]],
        *,
        resumed_from: str = "",
        main: ServedSandbox | None = None,
    ) -> ServedSandbox:
        spec = self._with_identity(spec, identity, definition)
        for mount in spec.volumes:
            await self._state.named_volumes.use(mount.volume)
        spec = await self._with_private_copies(spec)
        store = self._state.snapshot_store
        # Pinned until the sandbox is registered: only then does the store know that it uses them.
        with (
            self._state.memberships.entering(spec) if spec.membership else nullcontext(),
            store.pinned(image.snapshot_id, resumed_from),
        ):
            # The client is going to want a token, which takes long to sign: while the engine works.
            asyncio.get_running_loop().call_soon(self._state.tokens.of_task, identity.task_id)
            task = await self._task(spec, make)
            sandbox = ServedSandbox(
                identity,
                definition,
                tags,
                image,
                spec,
                task,
                self._state.clock,
                resumed_from=resumed_from,
                main=main,
            )
            self._state.sandboxes.add(sandbox)
        return sandbox

    def set_name(self, sandbox: ServedSandbox, name: str) -> None:
        """Give a name to a sandbox that runs and has none; the same again changes nothing.

        Raises:
            GRPCError: ALREADY_EXISTS, FAILED_PRECONDITION or INVALID_ARGUMENT.
        """
        check_name(name, "sandbox")
        if sandbox.name == name:
            return
        if sandbox.result is not None:
            raise precondition(f"Sandbox {sandbox.id!r} has ended: {sandbox.why_ended}")
        if sandbox.name:
            raise precondition(f"Sandbox {sandbox.id!r} already has the name {sandbox.name!r}")
        self._check_free(sandbox.app_id, name)
        self._state.sandboxes.set_name(sandbox, name)

    def _check_free(self, app_id: str, name: str) -> None:
        key = app_id, name
        if key in self._reserved or self._state.sandboxes.named(*key) is not None:
            raise already_exists(f"Sandbox with name {name!r} already exists in this app, and runs")

    def _reserve_name(self, app: AppRecord, definition: pb.Sandbox) -> tuple[str, str]:
        """Reserve a name before the sandbox exists, so that two creations cannot both have it.

        Returns:
            The member of `_reserved`, if it has a name.
        """
        key = app.id, definition.name
        if definition.HasField("name"):
            check_name(definition.name, "sandbox")
            self._check_free(*key)
            self._reserved.add(key)
        return key

    def _with_identity(
        self, spec: TaskSpec, identity: SandboxIdentity, definition: pb.Sandbox
    ) -> TaskSpec:
        """With a token that says what the container is, if that was asked for."""
        if not definition.include_oidc_identity_token:
            return spec
        app = self._state.apps.get(identity.app_id)
        token = self._state.identity.of_container(
            app, self._state.apps.environment_id(app.environment), identity.container_id
        )
        return replace(spec, env={**spec.env, VARIABLE: token})

    async def _with_private_copies(self, spec: TaskSpec) -> TaskSpec:
        copies = self._state.private_copies
        if copies is None or not spec.volumes:
            return spec
        if spec.resume is not None:
            raise unimplemented(
                "volume_semantics=modal: a sandbox with volumes is not made from a memory snapshot"
            )
        return replace(spec, volumes=await copies.make(spec.volumes))

    async def _task(
        self, spec: TaskSpec, make: Callable[[TaskSpec], Coroutine[Any, Any, Task]]
    ) -> Task:
        try:
            return await owned(make(spec))
        except BaseException as error:
            if self._state.private_copies is not None:
                self._state.private_copies.end(mount.volume for mount in spec.volumes)
            if isinstance(error, SpawnFailed) and spec.main is not None:
                raise_with_hint(error, spec.main.argv)
            raise

    def _identity(self, app: AppRecord, definition: pb.Sandbox, family: Family) -> SandboxIdentity:
        return SandboxIdentity(
            task_id=self._state.ids.task(family),
            id=self._state.ids.sandbox(family),
            app_id=app.id,
            name=definition.name,
            created_at=self._state.sandboxes.creation_time(),
            family=family,
        )

    def _identity_of_sidecar(self, main: ServedSandbox, name: str) -> SandboxIdentity:
        return SandboxIdentity(
            id=self._state.ids.new("ctr"),
            task_id=main.task_id,
            app_id=main.app_id,
            name=name,
            created_at=self._state.sandboxes.creation_time(),
            family=main.family,
        )


class _Specified(NamedTuple):
    """The last definition that was specified: the next one is likely to be the same.

    Attributes:
        asked: the definition.
        info: of the engine.
        image: of its files.
        secrets: variables.
        tags: name to value.
        spec: what came of these.
    """

    asked: bytes
    info: EngineInfo
    image: ImageRecord
    secrets: Mapping[str, str]
    tags: Mapping[str, str]
    spec: TaskSpec

    def has(self, image: ImageRecord, secrets: Mapping[str, str], tags: Mapping[str, str]) -> bool:
        """Whether the same comes of the definition with these."""
        return self.image is image and self.secrets == secrets and self.tags == tags


def _check_not_stopped(app: AppRecord) -> None:
    if app.state == apps_pb2.APP_STATE_STOPPED:
        raise precondition(f"App {app.id!r} is stopped: use another one")


def group_of_caller(caller: str) -> str:
    """The group of the tasks that a caller has created; empty, all of them, for one without name.

    Args:
        caller: as in the metadata of its calls.
    """
    return f"caller {caller}" if caller else ""


async def owned(creation: Coroutine[Any, Any, Task]) -> Task:
    """The task that `creation` makes; it is killed if the caller is cancelled meanwhile."""
    try:
        return await finish(creation, lambda task: task.kill())
    except TaskLost:  # that of a sandbox beside which it was to be: no attempt can succeed
        raise
    except TaskEnded as error:
        # UNAVAILABLE makes clients repeat the call: another attempt may succeed.
        raise GRPCError(
            Status.UNAVAILABLE, f"the sandbox died while it was being created: {error}"
        ) from None
