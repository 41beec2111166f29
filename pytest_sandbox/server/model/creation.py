"""Creating sandboxes: reserves the name, creates the task, wraps it in a sandbox."""

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import Task, TaskEnded, TaskSpec

from ..builds.builder import Builder
from ..rpc.errors import already_exists, precondition, unimplemented
from .apps import AppRecord
from .checks import check_command
from .command_hints import hints
from .definition import DEFAULT_TIMEOUT, refuse_unimplemented, task_spec
from .ids import Family, check_name
from .images import ImageRecord
from .sandbox import SandboxIdentity, ServedSandbox
from .state import State


class SandboxCreator:
    """Creates the sandboxes of one server.

    Args:
        state: the server's.
        builder: adds local files to images.
    """

    def __init__(self, state: State, builder: Builder) -> None:
        self._state = state
        self._builder = builder
        self._reserved: set[tuple[str, str]] = set()

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
        refuse_unimplemented(definition, self._state.info)
        if definition.entrypoint_args:
            check_command(definition.entrypoint_args)
        if not definition.timeout_secs:
            definition.timeout_secs = DEFAULT_TIMEOUT
        image = await self._builder.with_local_files(
            self._state.images.get(definition.image_id), definition.mount_ids
        )
        secrets = {**self._state.secrets.variables(definition.secret_ids), **variables}
        return image, task_spec(
            definition, image, secrets, self._state.volumes, tags, self._state.info
        )

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
        if app.state == apps_pb2.APP_STATE_STOPPED:
            raise precondition(f"App {app.id!r} is stopped: its client has disconnected")
        for mount in spec.volumes:
            await self._state.named_volumes.use(mount.volume)
        spec = await self._with_private_copies(spec)
        store = self._state.snapshot_store
        # Pinned until the sandbox is registered: only then does the store know that it uses them.
        with (
            self._reserved_name(app, definition),
            self._state.memberships.entering(spec),
            store.pinned(image.snapshot_id),
            store.pinned(resumed_from),
        ):
            identity = self._identity(app, definition, family)
            spec = replace(spec, groups=frozenset({group_of_caller(caller), identity.id}))
            with hints(spec.main.argv if spec.main is not None else ()):
                task = await self._task(spec)
            sandbox = ServedSandbox(
                identity,
                definition,
                tags,
                image,
                spec,
                task,
                self._state.clock,
                resumed_from=resumed_from,
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

    @contextmanager
    def _reserved_name(self, app: AppRecord, definition: pb.Sandbox) -> Iterator[None]:
        """Reserve a name before the sandbox exists, so that two creations cannot both have it."""
        if not definition.HasField("name"):
            yield
            return
        check_name(definition.name, "sandbox")
        self._check_free(app.id, definition.name)
        key = app.id, definition.name
        self._reserved.add(key)
        try:
            yield
        finally:
            self._reserved.discard(key)

    async def _with_private_copies(self, spec: TaskSpec) -> TaskSpec:
        copies = self._state.private_copies
        if copies is None or not spec.volumes:
            return spec
        if spec.resume is not None:
            raise unimplemented(
                "volume_semantics=modal: a sandbox with volumes is not made from a memory snapshot"
            )
        return replace(spec, volumes=await copies.make(spec.volumes))

    async def _task(self, spec: TaskSpec) -> Task:
        try:
            return await owned(self._state.engine.create(spec))
        except BaseException:
            if self._state.private_copies is not None:
                self._state.private_copies.end(mount.volume for mount in spec.volumes)
            raise

    def _identity(self, app: AppRecord, definition: pb.Sandbox, family: Family) -> SandboxIdentity:
        task_id = self._state.ids.task(family)
        return SandboxIdentity(
            id=self._state.ids.sandbox(family),
            task_id=task_id,
            app_id=app.id,
            name=definition.name,
            created_at=self._state.sandboxes.creation_time(),
            router_token=self._state.tokens.issue(task_id),
            family=family,
        )


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
    except TaskEnded as error:
        # UNAVAILABLE makes clients repeat the call: another attempt may succeed.
        raise GRPCError(
            Status.UNAVAILABLE, f"the sandbox died while it was being created: {error}"
        ) from None
