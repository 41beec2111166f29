"""Whatever sits at the other end of a sandbox's socket: nothing hurts the engine, nothing hangs."""

import asyncio
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import ExitStatus, TaskEnded
from pytest_sandbox.local.agents import job_patience
from pytest_sandbox.local.agents.agent_link import AgentLink
from pytest_sandbox.local.agents.errors import BuildFailed
from pytest_sandbox.local.agents.files import LocalFiles
from pytest_sandbox.local.agents.ports import LocalPorts
from pytest_sandbox.local.protocol.agent import (
    OpenRequest,
    PauseAnswer,
    PauseRequest,
    SpawnAnswer,
    SpawnRequest,
    StatAnswer,
    StatRequest,
)
from pytest_sandbox.local.protocol.jobs import FileStatus
from pytest_sandbox.local.protocol.message import Message

STAT = StatRequest(path="/", follow=False)
INFO = FileStatus(
    mode=0o100644, size=0, uid=0, gid=0, owner="root", group="root", mtime_ns=0, target=None
)

pytestmark = pytest.mark.asyncio


class Peer:
    """The hostile end."""

    def __init__(self, link: AgentLink, sock: socket.socket) -> None:
        self.link = link
        self.sock = sock
        self.lost = 0

    def say(self, message: Any, *fds: int) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        socket.send_fds(self.sock, [data], list(fds))


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peers: list[Peer] = []

    def lost() -> None:
        peers[0].lost += 1

    peers.append(Peer(AgentLink(ours, set(), lost, lambda _: None, lambda: None), theirs))
    yield peers[0]
    peers[0].link.task_ended()
    theirs.close()


async def ask(peer: Peer) -> "asyncio.Future[Any]":
    """A request that is under way; its number is 1."""
    future = asyncio.ensure_future(peer.link.request(STAT, StatAnswer))
    await asyncio.sleep(0)
    return future


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonsense",
        b"[1]",
        b"x" * 100_000,
        {"unknown": 1},
        *(["Unknown", 0, {}], ["AgentReady", 0, {"more": 1}], ["AgentReady", [1], {}]),
        *(["StatRequest", 1, {"path": "/", "follow": False}], ["Failed", 1, {}]),
        ["Failed", 1, {"error": 5}],
        ["Failed", 1, {"error": {"number": "many", "text": "", "path": ""}}],
        ["Failed", 1, {"error": {"number": 1e400, "text": "", "path": ""}}],
        ["Failed", 1, {"error": {"number": 1 << 70, "text": "", "path": ""}}],
        ["ProcessExited", 0, {"process": {}, "status": 0}],
        ["ProcessExited", 0, {"process": 1}],
        ["ProcessExited", 0, {"process": 1, "status": None}],
        ["SandboxFailed", 0, {"error": None}],
        *(["Succeeded", 1, {}], ["SpawnAnswer", 1, {"pid": 1}], ["StatAnswer", 1, {"info": None}]),
        ["StatAnswer", 1, {"info": {**INFO.__dict__, "size": "much"}}],
    ],
)
async def test_who_breaks_the_protocol_is_not_talked_to_any_more(peer: Peer, message: Any) -> None:
    pending = await ask(peer)
    peer.say(message)
    with pytest.raises(TaskEnded):
        await asyncio.wait_for(pending, 30)
    assert peer.lost == 1
    with pytest.raises(TaskEnded):
        await peer.link.request(STAT, StatAnswer)


async def test_the_error_names_what_broke_the_protocol(peer: Peer) -> None:
    pending = await ask(peer)
    peer.say(["ProcessExited", 0, {"process": 1, "status": "soon"}])
    words = "its agent broke the protocol: ProcessExited: key 'status' is 'soon', not int"
    with pytest.raises(TaskEnded, match=words):
        await asyncio.wait_for(pending, 30)
    assert peer.link.broken == words


@pytest.mark.parametrize("request_", [PauseRequest(strictly=False), STAT], ids=["pause", "stat"])
async def test_an_answer_to_another_request_is_an_error(peer: Peer, request_: Message) -> None:
    pending = asyncio.ensure_future(peer.link.request(request_, PauseAnswer))
    await asyncio.sleep(0)
    peer.say(["SpawnAnswer", 1, {"pid": 1}])
    with pytest.raises(TaskEnded, match="request 1 wants PauseAnswer, not SpawnAnswer"):
        await asyncio.wait_for(pending, 30)


async def test_answers_without_a_request_are_ignored(peer: Peer) -> None:
    pending = await ask(peer)
    peer.say(["Succeeded", 77, {}])
    peer.say(["Failed", -1, {"error": {"number": 1, "text": "", "path": ""}}])
    peer.say(["ProcessExited", 0, {"process": 99, "status": 0}])
    peer.say(["StatAnswer", 1, {"info": INFO.__dict__}])
    assert await asyncio.wait_for(pending, 30) == StatAnswer(info=INFO)


@pytest.mark.parametrize(
    "message",
    [
        *(["Succeeded", 1, {}], ["SpawnAnswer", 1, {"pid": 1}], ["DescriptorAnswer", 50, {}]),
        *(
            ["ProcessExited", 0, {"process": 5, "status": 0}],
            ["AgentReady", 0, {"no_network": ""}],
            b"bad",
            b"",
        ),
    ],
)
async def test_descriptors_that_were_not_asked_for_are_closed(peer: Peer, message: Any) -> None:
    pending = await ask(peer)
    read, write = os.pipe()
    peer.say(message, write, write)
    os.close(write)
    peer.sock.close()
    await asyncio.wait([pending])
    pending.exception()
    await ended(read)


async def ended(pipe: int) -> None:
    """Return when nothing holds the other side of a pipe any more."""
    os.set_blocking(pipe, False)
    while True:
        with contextlib.suppress(BlockingIOError):
            assert os.read(pipe, 1) == b""
            os.close(pipe)
            return
        await asyncio.sleep(0)


class Lingering:
    """A connection whose last close(2) waits, for longer than a test may take: socket(7)."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.sock = socket.create_connection(listener.getsockname())
            self.peer, _ = listener.accept()
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # as much as fits, so that some is not received
            while True:
                self.sock.send(bytes(65536))
        linger = struct.pack("ii", True, 600)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def given_by(self, peer: Peer, message: Any, more: int = 0) -> None:
        """Have the hostile end send it, and keep nothing of it."""
        peer.say(message, *[self.sock.fileno()] * (1 + more))
        self._keep_nothing()

    def hidden_in(self, other: socket.socket) -> None:
        """Have another socket hold it, unread."""
        socket.send_fds(other, [b"x"], [self.sock.fileno()])
        self._keep_nothing()

    def _keep_nothing(self) -> None:
        # Not the last one, so it does not wait.
        self.sock.close()

    def end(self) -> None:
        """Let the close return: what waits for the peer hears that it is gone."""
        self.peer.close()


@pytest.fixture
def lingering() -> Iterator[Lingering]:
    lingering = Lingering()
    yield lingering
    lingering.end()


@pytest.mark.parametrize("more", [0, 1, 20])
async def test_a_connection_that_lingers_does_not_stop_the_engine(
    peer: Peer, lingering: Lingering, more: int
) -> None:
    pending = await ask(peer)
    lingering.given_by(peer, ["StatAnswer", 1, {}], more)

    with pytest.raises(TaskEnded, match="broke the protocol"):
        await pending


async def test_one_that_lingers_inside_of_another_does_not_either(
    peer: Peer, lingering: Lingering
) -> None:
    left, right = socket.socketpair()
    lingering.hidden_in(left)
    pending = asyncio.ensure_future(LocalFiles(peer.link).open("/f", os.O_RDONLY))
    await asyncio.sleep(0)
    peer.say(["DescriptorAnswer", 1, {}], right.fileno())
    right.close()
    left.close()

    with pytest.raises(OSError, match="did not send the file"):
        await pending


async def test_nor_does_one_that_is_not_read_any_more(peer: Peer, lingering: Lingering) -> None:
    lingering.given_by(peer, ["AgentReady", 0, {"no_network": ""}])

    peer.link.close()

    assert peer.lost == 1


async def test_nor_a_connection_that_was_asked_for(peer: Peer, lingering: Lingering) -> None:
    pending = asyncio.ensure_future(LocalPorts(peer.link).connect(80))
    await asyncio.sleep(0)
    lingering.given_by(peer, ["DescriptorAnswer", 1, {}])
    while not pending.done():  # it counts as established once there is room
        with contextlib.suppress(BlockingIOError):
            lingering.peer.recv(4096, socket.MSG_DONTWAIT)
        await asyncio.sleep(0)
    connection = await pending

    await connection.close()

    assert await connection.read(1) == b""


async def test_descriptors_that_come_just_when_their_caller_leaves_are_closed(peer: Peer) -> None:
    pending = asyncio.ensure_future(
        peer.link.request_descriptor(OpenRequest(path="/", flags=0, mode=0))
    )
    await asyncio.sleep(0)
    read, write = os.pipe()
    peer.say(["DescriptorAnswer", 1, {}], write)
    os.close(write)
    peer.link.drain()
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    await asyncio.sleep(0)
    await ended(read)


async def test_a_terminal_instead_of_a_file_is_refused(peer: Peer) -> None:
    pending = asyncio.ensure_future(LocalFiles(peer.link).open("/f", os.O_RDONLY))
    await asyncio.sleep(0)
    read, write = os.pipe()
    peer.say(["DescriptorAnswer", 1, {}], read)
    with pytest.raises(OSError, match="did not send the file"):
        await asyncio.wait_for(pending, 30)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("kind", ["file", "unix", "udp", "tcp6"])
async def test_what_is_no_connection_is_refused(peer: Peer, kind: str) -> None:
    make = {
        "file": lambda: os.open("/dev/null", os.O_RDWR),
        "unix": lambda: socket.socket(socket.AF_UNIX).detach(),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
        "tcp6": lambda: socket.socket(socket.AF_INET6).detach(),
    }
    pending = asyncio.ensure_future(LocalPorts(peer.link).connect(80))
    await asyncio.sleep(0)
    fd = make[kind]()
    peer.say(["DescriptorAnswer", 1, {}], fd)
    os.close(fd)
    await asyncio.wait_for(answered(peer, ["Failed", 2, {"error": _REFUSED}]), 30)
    with pytest.raises(ConnectionRefusedError, match="did not send the connection"):
        await asyncio.wait_for(pending, 30)


_REFUSED = {"number": 111, "text": "refused", "path": ""}


async def answered(peer: Peer, answer: list[Any]) -> None:
    """Give an answer once it is asked for."""
    while True:
        await asyncio.sleep(0)
        try:
            data = peer.sock.recv(100_000, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        if json.loads(data)[1] == answer[1]:
            peer.say(answer)
            return


async def test_names_that_are_paths_are_refused_in_a_listing(peer: Peer) -> None:
    """Somebody may join them to a folder of the machine."""
    for name in ("../../etc/passwd", "/etc/passwd", "..", "a/b", "", "a\0b"):
        pending = asyncio.ensure_future(LocalFiles(peer.link).listdir("/d"))
        await asyncio.sleep(0)
        request, (job_fd,) = socket_receive(peer.sock)
        job = socket.socket(fileno=job_fd)
        peer.say(["JobStarted", request[1], {"pid": 2}])
        entries = [{"name": name, "info": INFO.__dict__}]
        job.send(json.dumps(["DirectoryEntries", 0, {"entries": entries}]).encode())
        with pytest.raises(OSError, match="makes no sense"):
            await asyncio.wait_for(pending, 30)
        job.close()


async def test_a_job_that_breaks_the_protocol_fails_alone_and_names_the_key(peer: Peer) -> None:
    pending = asyncio.ensure_future(LocalFiles(peer.link).listdir("/d"))
    await asyncio.sleep(0)
    request, (job_fd,) = socket_receive(peer.sock)
    peer.say(["JobStarted", request[1], {"pid": 2}])
    with socket.socket(fileno=job_fd) as job:
        job.send(json.dumps(["DirectoryEntries", 0, {"entries": [1]}]).encode())
        with pytest.raises(OSError, match=r"makes no sense.*'entries': item 0 is 1, not dict"):
            await asyncio.wait_for(pending, 30)
    assert not peer.link.broken


@pytest.mark.parametrize("call", ["list", "remove", "pack", "unpack"])
async def test_a_job_that_gets_no_time_to_run_is_ended_and_an_error(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(job_patience, "LONGEST", 0.04)
    monkeypatch.setattr(job_patience, "STEP", 0.01)
    files = LocalFiles(peer.link)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "list": lambda: files.listdir("/d"),
        "remove": lambda: files.remove("/d", recursive=True),
        "pack": lambda: anext(files.pack("/d")),
        "unpack": lambda: files.unpack("/d", endless()),
    }
    pending = asyncio.ensure_future(calls[call]())
    await asyncio.sleep(0)
    request, (job_fd, *pipe) = socket_receive(peer.sock)
    peer.say(["JobStarted", request[1], {"pid": 7}])
    with socket.socket(fileno=job_fd) as job:
        for _ in range(20):  # it is slow, but runs
            job.send(b'["JobRuns", 0, {}]')
            await asyncio.sleep(0.005)
        assert not pending.done()
        with pytest.raises(OSError, match="leave its file job no time to run") as caught:
            await asyncio.wait_for(pending, 30)
    assert caught.value.errno == errno.EIO
    assert caught.value.filename == "/d"
    assert json.loads(peer.sock.recv(1000)) == ["EndJobRequest", request[1] + 1, {"pid": 7}]
    for fd in pipe:
        os.close(fd)


async def test_a_job_whose_data_is_not_taken_is_waited_for(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_patience, "LONGEST", 0.04)
    monkeypatch.setattr(job_patience, "STEP", 0.01)
    stream = LocalFiles(peer.link).pack("/d")
    pending = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    request, (job_fd, pipe) = socket_receive(peer.sock)
    peer.say(["JobStarted", request[1], {"pid": 7}])
    os.write(pipe, b"first")
    assert await asyncio.wait_for(pending, 30) == b"first"
    await asyncio.sleep(0.1)
    os.write(pipe, b"second")
    assert await asyncio.wait_for(anext(stream), 30) == b"second"
    os.close(pipe)
    os.close(job_fd)


def socket_receive(sock: socket.socket) -> tuple[list[Any], list[int]]:
    data, fds, _, _ = socket.recv_fds(sock, 100_000, 8)
    return json.loads(data), fds


def _exec(number: int) -> SpawnRequest:
    return SpawnRequest(
        user=None,
        process=number,
        argv=["true"],
        env={},
        workdir="/",
        main=False,
        stdout="devnull",
        stderr="devnull",
        terminal=None,
    )


class Recorder:
    def __init__(self) -> None:
        self.status: ExitStatus | None = None
        self.over = False

    def exited(self, status: ExitStatus) -> None:
        self.status = status

    def task_ended(self) -> None:
        self.over = True


async def test_a_broken_exit_message_leaves_the_process_to_the_end_of_the_task(peer: Peer) -> None:
    listener = Recorder()
    number = peer.link.register(listener)
    peer.link.ask(_exec(number), SpawnAnswer)
    peer.say(["ProcessExited", 0, {"process": number, "status": "soon"}])
    peer.link.drain()
    assert peer.lost == 1
    peer.link.task_ended()
    assert listener.status is None
    assert listener.over


async def test_a_sandbox_that_cannot_be_built_says_why(peer: Peer) -> None:
    pending = await ask(peer)
    peer.say(["SandboxFailed", 0, {"error": {"number": 28, "text": "no space", "path": "/box"}}])
    with pytest.raises(BuildFailed, match="no space"):
        await asyncio.wait_for(pending, 30)


@pytest.mark.parametrize("ready", [True, False])
async def test_why_it_cannot_serve_is_told(peer: Peer, ready: bool) -> None:
    """Where all that was asked for is there, it says so before it is done."""
    if ready:
        peer.say(["AgentReady", 0, {"no_network": ""}])
        await asyncio.wait_for(peer.link.ready, 10)
    request = await ask(peer)
    error = {"number": errno.ENOMEM, "path": "umount2", "text": "no memory"}
    peer.say(["SandboxFailed", 0, {"error": error}])
    peer.sock.close()

    with pytest.raises(TaskEnded if ready else BuildFailed, match="no memory"):
        await asyncio.wait_for(request, 10)
    if ready:
        assert "no memory" in peer.link.broken
    else:
        with pytest.raises(BuildFailed, match="no memory"):
            await peer.link.ready
