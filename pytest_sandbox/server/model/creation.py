"""Making sandboxes: the name is taken, the engine makes a task, and a sandbox is around it."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto import apps_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import Task, TaskEnded, TaskSpec

from ..rpc.errors import already_exists, precondition
from .checks import check_command, hint_at_words
from .definition import DEFAULT_TIMEOUT, refuse_unbuilt, task_spec
from .ids import check_name
from .images import Image
from .registries import App
from .sandbox import Box, Identity

if TYPE_CHECKING:
    from .state import State


class Creation:
    """Makes the sandboxes of one server."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self._taken: set[tuple[str, str]] = set()

    def specify(self, definition: pb.Sandbox, tags: Mapping[str, str]) -> tuple[Image, TaskSpec]:
        """What the files of a sandbox start as, and what the engine is asked for.

        Args:
            definition: what the client asks for; what it leaves open is filled in.
            tags: name to value.

        Raises:
            GRPCError: whatever is wrong with it.
        """
        refuse_unbuilt(definition, self._state.info)
        if definition.entrypoint_args:
            check_command(definition.entrypoint_args)
        if not definition.timeout_secs:
            definition.timeout_secs = DEFAULT_TIMEOUT
        image = self._state.images.get(definition.image_id)
        secrets = self._state.secrets.variables(definition.secret_ids)
        return image, task_spec(
            definition, image, secrets, self._state.volumes, tags, self._state.info
        )

    async def create(
        self,
        app: App,
        definition: pb.Sandbox,
        tags: Mapping[str, str],
        image: Image,
        spec: TaskSpec,
        *,
        snapshot_id: str = "",
    ) -> Box:
        """A sandbox, which runs.

        Args:
            app: the app it belongs to.
            definition: what was asked for.
            tags: name to value.
            image: what its files start as.
            spec: for the engine.
            snapshot_id: of the memory that it starts with.

        Raises:
            GRPCError: FAILED_PRECONDITION, ALREADY_EXISTS, INVALID_ARGUMENT for its name, or
                UNAVAILABLE.
            EngineError: whatever the engine raises.
        """
        if app.state == apps_pb2.APP_STATE_STOPPED:
            raise precondition(f"App {app.id!r} is stopped: its client has disconnected")
        shelf = self._state.shelf
        with (
            _Reservation(self._state, self._taken, app, definition),
            shelf.pinned(image.kept),
            shelf.pinned(snapshot_id),
        ):
            with hint_at_words(spec.main.argv if spec.main is not None else ()):
                task = await owned(self._state.engine.create(spec))
            box = Box(
                self._identity(app, definition),
                definition,
                tags,
                image,
                spec,
                task,
                self._state.clock,
            )
            box.snapshot_id = snapshot_id
            self._state.boxes.add(box)
        return box

    def _identity(self, app: App, definition: pb.Sandbox) -> Identity:
        task_id = self._state.ids.new("ta")
        return Identity(
            id=self._state.ids.new("sb"),
            task_id=task_id,
            app_id=app.id,
            name=definition.name,
            created_at=self._state.boxes.creation_time(),
            router_token=self._state.tokens.issue(task_id),
        )


class _Reservation:
    """A name is taken from before the sandbox exists, so that two at once cannot have it."""

    def __init__(
        self, state: "State", taken: set[tuple[str, str]], app: App, definition: pb.Sandbox
    ) -> None:
        self._taken = taken
        self._key = (app.id, definition.name) if definition.HasField("name") else None
        if self._key is not None:
            check_name(definition.name, "sandbox")
            if self._key in taken or state.boxes.named(*self._key) is not None:
                raise already_exists(
                    f"Sandbox with name {definition.name!r} already exists in this app and runs"
                )

    def __enter__(self) -> None:
        if self._key is not None:
            self._taken.add(self._key)

    def __exit__(self, *_: object) -> None:
        if self._key is not None:
            self._taken.discard(self._key)


async def owned(creation: Coroutine[Any, Any, Task]) -> Task:
    """The task that `creation` makes; it is killed if the caller has gone by then."""
    try:
        return await finish(creation, lambda task: task.kill())
    except TaskEnded as error:
        # No client asked for a task that is over: it may well have more luck next time.
        raise GRPCError(
            Status.UNAVAILABLE, f"the sandbox died while it was being created: {error}"
        ) from None
