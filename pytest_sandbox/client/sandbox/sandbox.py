"""The sandbox."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from pytest_sandbox._proto.sandboxes_pb2 import (
    SandboxGetFromNameRequest,
    SandboxListRequest,
    SandboxTagsGetRequest,
    SandboxTagsSetRequest,
)
from pytest_sandbox._proto.sandboxes_v2_pb2 import (
    SandboxSetNameRequest,
)
from pytest_sandbox._shared.command_text import short_command_text
from pytest_sandbox._shared.type_names import type_name

from ..base_client import closed_client
from ..default_client import default_client
from ..exceptions import InvalidError, NotFoundError
from ..handles import address, client_at
from ..logs.log_reader import LogReader
from ..memory_snapshot import KEEP_NAME, SandboxSnapshot
from ..process.api_version import is_second, second_is_wanted, second_version
from ..process.main_stdio import MainStdio
from ..process.output import STDERR, STDOUT
from ..process.router_stdio import RouterStdio
from ..process.stream_reader import StreamReader
from ..process.stream_writer import StreamWriter
from ..process.task_calls import TaskCalls
from ..refusals import refused
from ..transport.dual import Dual, dual, dual_function, dual_iterator_function
from ..transport.portal_call import delivered
from ..validation import check_name, refuse
from .commands import CommandMethods
from .creation import created, restored
from .files import FileMethods
from .gpu import gpu_config
from .lifetime import LifetimeMethods
from .network import NetworkMethods
from .ports_and_volumes import PortMethods
from .sandbox_network import SandboxNetwork, membership
from .sidecars import SidecarManager
from .snapshots import SnapshotMethods
from .specification import Specification, define, tag_messages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence

    from pytest_sandbox._proto.extensions_pb2 import SandboxMembership

    from ..base_client import BaseClient
    from ..process.main_following import FollowedMain

__tracebackhide__ = True  # a failing test shows the caller's line, not these


P = ParamSpec("P")


def _creating(
    define: Callable[P, Coroutine[Any, Any, Specification]], *, second: bool = False
) -> Dual[P, Sandbox]:
    """Creates what a function defines, whose arguments and description it takes over."""

    @functools.wraps(define, assigned=("__doc__",))
    async def create(*args: P.args, **kwargs: P.kwargs) -> Sandbox:
        with second_version() if second else contextlib.nullcontext():
            spec = await define(*args, **kwargs)
        if "gpu" not in kwargs and (default := gpu_config(spec.client.gpu)) is not None:
            spec.definition.resources.gpu_config.CopyFrom(default)
        return await delivered(_created(spec), _end)

    if second:
        create.__name__ = "_experimental_create"
    create.__qualname__ = f"Sandbox.{create.__name__}"
    signature = inspect.signature(define).replace(return_annotation="Sandbox")
    vars(create).update(__signature__=signature)
    return cast("Dual[P, Sandbox]", staticmethod(dual_function(create)))


async def _created(spec: Specification) -> Sandbox:
    task, followed = await created(spec)
    spec.client.created(task.sandbox_id)
    command = tuple(spec.definition.entrypoint_args)
    return Sandbox(task.sandbox_id, spec.client, task, command, followed)


async def _restored(
    client: BaseClient,
    snapshot: SandboxSnapshot,
    name: str | None,
    member: SandboxMembership | None,
) -> Sandbox:
    task, followed = await restored(client, snapshot, name, member)
    client.created(task.sandbox_id)
    return Sandbox(task.sandbox_id, client, task, followed=followed)


def _unpickled(sandbox_id: str, where: str, command: tuple[str, ...]) -> Sandbox:
    return Sandbox(sandbox_id, client_at(where), command=command)


async def _end(sandbox: Sandbox) -> None:
    await sandbox.terminate.core()


class Sandbox(
    LifetimeMethods,
    CommandMethods,
    FileMethods,
    PortMethods,
    NetworkMethods,
    SnapshotMethods,
):
    """An isolated machine that runs until it is terminated or reaches its timeout.

    Make one with `Sandbox.create`, or find one with `from_id`, `from_name` or `list`. Every
    method blocks when it is called, and is awaited as `sandbox.method.aio(...)`.

    It can be passed to other processes of the run: it is pickled to its id and the address of its
    engine, and its streams are at their beginning there.
    """

    def __init__(
        self,
        sandbox_id: str,
        client: BaseClient,
        task: TaskCalls | None = None,
        command: tuple[str, ...] = (),
        followed: FollowedMain | None = None,
    ) -> None:
        self._id = sandbox_id
        self._main_command = command
        self._second = is_second(sandbox_id)
        self._client = self._lasting_client = client
        self._task = task or TaskCalls(client.calls, sandbox_id)
        self._begin(followed)

    def _begin(self, followed: FollowedMain | None = None) -> None:
        """Read and write the streams of the main process from their beginning.

        Args:
            followed: by the call that tells of it, if there is one.
        """
        if self._followed is not None:
            self._followed.following.close()
        self._followed = followed
        stdio = (
            RouterStdio(self._task)
            if self._second
            else MainStdio(self._client.calls, self._id, followed)
        )
        owner = repr(self)
        self._stdin = StreamWriter(stdio.write)
        self._stdout: StreamReader[str] = StreamReader(
            stdio.output(STDOUT), STDOUT, owner, text=True, by_line=True
        )
        self._stderr: StreamReader[str] = StreamReader(
            stdio.output(STDERR), STDERR, owner, text=True, by_line=True
        )

    def __repr__(self) -> str:
        known = [repr(self._id), short_command_text(self._main_command), self._end()]
        return f"Sandbox({', '.join(filter(None, known))})"

    def __reduce__(self) -> tuple[Any, ...]:
        where = address(self._lasting_client, self)
        return _unpickled, (self._id, where, self._main_command)

    # Creating and finding

    create = _creating(define)
    _experimental_create = _creating(define, second=True)

    @staticmethod
    @dual_function
    async def from_id(sandbox_id: str, client: BaseClient | None = None) -> Sandbox:
        """The sandbox with an id.

        Args:
            sandbox_id: its `object_id`.
            client: where it is; the default client's if not given.

        Raises:
            NotFoundError: there is none.
        """
        sandbox = Sandbox(sandbox_id, client or await default_client())
        await sandbox._ask(sandbox.client.calls, 0)
        return sandbox

    @staticmethod
    @dual_function
    async def from_name(
        app_name: str,
        name: str,
        *,
        environment_name: str | None = None,
        include_terminated: bool = False,
        client: BaseClient | None = None,
    ) -> Sandbox:
        """The running sandbox of a name.

        Args:
            app_name: the name of its app.
            name: its own name.
            environment_name: the environment of the app.
            include_terminated: if none runs, take the latest that has ended.
            client: where it is; the default client's if not given.

        Raises:
            NotFoundError: none runs, nor has ended if that is enough.
        """
        client = client or await default_client()
        request = SandboxGetFromNameRequest(
            sandbox_name=name,
            app_name=app_name,
            environment_name=environment_name or "",
            include_terminated=include_terminated,
        )
        if await second_is_wanted(client.calls):
            with contextlib.suppress(NotFoundError):  # as one of the first version is not
                response = await client.calls.control(
                    lambda link: link.control.SandboxGetFromNameV2, request
                )
                return Sandbox(response.sandbox_id, client)
        response = await client.calls.control(lambda link: link.control.SandboxGetFromName, request)
        return Sandbox(response.sandbox_id, client)

    #: The same as `from_name`, which finds sandboxes of either version of Modal's API.
    _experimental_from_name = from_name

    @staticmethod
    @dual_function
    async def _experimental_from_snapshot(
        snapshot: SandboxSnapshot,
        client: BaseClient | None = None,
        *,
        name: str | None = KEEP_NAME,
        network: SandboxNetwork | None = None,
        alias: str | Sequence[str] | None = None,
    ) -> Sandbox:
        """Create a sandbox that continues the programs of another from a snapshot.

        Args:
            snapshot: what `_experimental_snapshot` returned.
            client: where it is; that of the snapshot if not given.
            name: a name for it, or `None` for none. By default it takes the name of the other
                sandbox, which must have ended.
            network: the network of sandboxes that it is in; none if not given, whatever network
                the other one is in.
            alias: a name by which the others in the network reach it, or several.

        Raises:
            AlreadyExistsError: the name is in use, or the alias in the network.
            InvalidError: that is no snapshot, no network or no alias.
            NotFoundError: there is no such snapshot.
            ConflictError: the snapshot failed.
        """
        if not isinstance(snapshot, SandboxSnapshot):
            raise InvalidError(
                f"{snapshot!r} is {type_name(snapshot)}, no SandboxSnapshot; give what "
                "_experimental_snapshot() or SandboxSnapshot.from_id() returned"
            )
        if name is not None and name != KEEP_NAME:
            check_name(name, "Sandbox")
        if network is not None and not isinstance(network, SandboxNetwork):
            raise InvalidError(f"network={network!r} is {type_name(network)}, no SandboxNetwork")
        member = membership(network, alias)
        return await delivered(_restored(client or snapshot.client, snapshot, name, member), _end)

    # Its streams, id and tags

    @property
    def stdout(self) -> StreamReader[str]:
        """What the main process writes to standard output, in lines."""
        return self._stdout

    @property
    def stderr(self) -> StreamReader[str]:
        """What the main process writes to standard error, in lines."""
        return self._stderr

    @property
    def stdin(self) -> StreamWriter:
        """What the main process reads from standard input."""
        return self._stdin

    @property
    def object_id(self) -> str:
        """Its id, by which `from_id` finds it."""
        return self._id

    @property
    def client(self) -> BaseClient:
        """The client of the server that has it."""
        return self._lasting_client

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> Sandbox:
        """Return the sandbox itself, as Modal's do; `Sandbox.from_id` has looked it up.

        Args:
            client: has no effect: a sandbox has a client.
        """
        return self

    @property
    def logs(self) -> LogReader:
        """What the main process has written, with times; it can be read again and again."""
        return LogReader(self._known_app, self._id)

    @property
    def _experimental_sidecars(self) -> SidecarManager:
        """Creates and finds its sidecars: containers that run beside it, and end with it."""
        return SidecarManager(self._client, self._task)

    @dual
    async def detach(self) -> None:
        """Have done with this object: all its methods but `wait` and `logs` are errors from now on.

        The sandbox runs on, and `Sandbox.from_id` finds it.

        Raises:
            ClientClosed: raised by the other methods from then on.
        """
        reason = f"{self._id} was detached; Sandbox.from_id({self._id!r}) finds it again"
        self._client = closed_client(self._lasting_client, reason)
        self._task = TaskCalls(self._client.calls, self._id)
        self._begin()

    @dual
    async def _experimental_set_name(self, name: str) -> None:
        """Give it a name, for `from_name`, if it was created without one.

        Args:
            name: not in use by a running sandbox of the app.

        Raises:
            AlreadyExistsError: the name is in use.
            ConflictError: it has another name.
            InvalidError: that cannot be a name.
        """
        check_name(name, "Sandbox")
        request = SandboxSetNameRequest(sandbox_id=self._id, name=name)
        await self._client.calls.control(lambda link: link.control.SandboxSetName, request)

    get_dashboard_url = refused("Sandbox.get_dashboard_url", "there is no dashboard")
    _experimental_pause = refused(
        "Sandbox._experimental_pause",
        "take a snapshot with _experimental_snapshot() and end the sandbox",
    )
    _experimental_resume = refused(
        "Sandbox._experimental_resume", "create a sandbox with _experimental_from_snapshot()"
    )
    _experimental_update_outbound_policy = refused(
        "Sandbox._experimental_update_outbound_policy",
        "use _experimental_set_outbound_network_policy(), with a list of names",
    )

    @dual
    async def get_tags(self) -> dict[str, str]:
        """Its tags."""
        request = SandboxTagsGetRequest(sandbox_id=self._id)
        response = await self._client.calls.control(
            lambda link: (
                link.control.SandboxTagsGetV2 if self._second else link.control.SandboxTagsGet
            ),
            request,
        )
        return {tag.tag_name: tag.tag_value for tag in response.tags}

    @dual
    async def set_tags(self, tags: dict[str, str], *, client: BaseClient | None = None) -> None:
        """Replace its tags, by which `list` finds it.

        Args:
            tags: names and values: at most 63 letters, digits, dashes, periods, underscores.
            client: refused, as it is deprecated: a sandbox has a client.

        Raises:
            InvalidError: a name or value has another shape.
        """
        refuse(client=client)
        request = SandboxTagsSetRequest(sandbox_id=self._id, tags=tag_messages(tags))
        await self._client.calls.control(
            lambda link: (
                link.control.SandboxTagsSetV2 if self._second else link.control.SandboxTagsSet
            ),
            request,
        )

    # Last, because within the class the name hides the builtin

    @staticmethod
    @dual_iterator_function
    async def list(
        *,
        app_id: str | None = None,
        tags: dict[str, str] | None = None,
        client: BaseClient | None = None,
    ) -> AsyncGenerator[Sandbox, None]:
        """The sandboxes that run, the newest first.

        Args:
            app_id: those of an app only.
            tags: those that have all these tags only.
            client: where they are; the default client's if not given.

        Raises:
            InvalidError: a tag has a shape that none can have.
            NotFoundError: there is no such app.
        """
        client = client or await default_client()
        request = SandboxListRequest(app_id=app_id or "", tags=tag_messages(tags))
        second = await second_is_wanted(client.calls)
        while True:
            page = await client.calls.control(
                lambda link: link.control.SandboxListV2 if second else link.control.SandboxList,
                request,
            )
            if not page.sandboxes:
                return
            for info in page.sandboxes:
                sandbox = Sandbox(info.id, client)
                yield sandbox
            request.before_timestamp = page.sandboxes[-1].created_at

    #: The same as `list`, which gives sandboxes of either version of Modal's API.
    _experimental_list = list  # noqa: A003 - the method above
