"""What the contract of engines has is the same after it was a message; nonsense is refused."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox import engine
from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.images import LayerBlob
from pytest_sandbox.remote.wire import (
    entries,
    failures,
    images,
    infos,
    networks,
    processes,
    tasks,
    usages,
)
from pytest_sandbox.remote.wire.malformed import Malformed
from pytest_sandbox.remote.wire.texts import LONGEST_MESSAGE, message_to_wire

#: Any text that stands for bytes, also for such as are no UTF-8.
texts = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))
#: What people read; it need not survive if it holds no characters.
words = st.text(st.characters(codec="utf-8"), max_size=40)
small, large = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
maybe_large = st.none() | large
variables = st.dictionaries(texts, texts, max_size=3)
digests = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=3).map(tuple)


snapshots = st.builds(engine.Snapshot, texts)
any_snapshots = st.one_of(
    snapshots, st.builds(engine.DirectorySnapshot, texts), st.builds(engine.MemorySnapshot, texts)
)
layers = st.builds(LayerBlob, digests, digests, large, words, st.just(Path("/nowhere")))
oci_images = st.builds(engine.OciImage, texts, digests, several(layers))
root_images = st.just(engine.Host()) | snapshots | oci_images
sizes = st.builds(engine.PtySize, small, small)
users = st.builds(engine.ProcessUser, small, small, several(small))
outputs = st.sampled_from(engine.Output)
specs = st.builds(
    engine.ProcessSpec,
    several(texts),
    variables,
    st.none() | texts,
    outputs,
    outputs,
    st.none() | sizes,
    st.none() | users,
)
statuses = st.integers(0, 255).map(engine.ExitStatus)
statuses |= st.integers(0, 255).map(lambda number: engine.ExitStatus(signal=number))
limits = st.builds(engine.Limits, st.none() | st.floats(allow_nan=False), maybe_large, maybe_large)
requests = st.builds(engine.Requests, st.none() | st.floats(allow_nan=False), maybe_large)
some_gpus = st.builds(engine.Gpus, texts, st.integers(-(2**31), 2**31 - 1))
gpus = st.builds(engine.Gpus, texts, st.integers(1, 100), several(some_gpus))
some_networks = st.builds(engine.Network, several(words), several(words))
memberships = st.builds(engine.Membership, texts, several(words))
volumes = st.builds(engine.VolumeMount, texts, texts, st.booleans(), texts)
task_specs = st.builds(
    engine.TaskSpec,
    main=st.none() | specs,
    image=root_images,
    env=variables,
    workdir=st.none() | texts,
    hostname=texts,
    limits=limits,
    requests=requests,
    volumes=several(volumes),
    gpus=st.none() | gpus,
    network=st.none() | some_networks,
    membership=st.none() | memberships,
    freezable=st.booleans(),
    exit_snapshot=st.booleans(),
    resume=st.none() | st.builds(engine.MemorySnapshot, texts),
    name=texts,
    tags=variables,
    groups=st.frozensets(texts, max_size=3),
)
ends = st.builds(engine.TaskEnd, st.sampled_from(engine.EndCause), st.none() | statuses, words)
some_entries = st.builds(
    engine.Entry,
    st.just("/a/b"),
    st.sampled_from(engine.EntryKind),
    small,
    large,
    small,
    small,
    texts,
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.none() | texts,
)
events = st.builds(engine.WatchEvent, st.sampled_from(engine.WatchKind), several(texts))
records = st.builds(
    engine.ConnectionRecord,
    words,
    texts,
    small,
    st.sampled_from(get_args(get_type_hints(engine.ConnectionRecord)["verdict"])),
    texts,
    large,
    large,
    large,
)
logs = st.builds(engine.NetworkLog, several(records), large)
faults = st.builds(
    engine.ConnectionFault,
    texts,
    words,
    texts,
    small,
    large,
    large,
    st.floats(allow_nan=False),
    st.sampled_from(get_args(get_type_hints(engine.ConnectionFault)["effect"])),
    large,
    several(words),
)
usage = st.builds(
    engine.Usage,
    st.none() | st.floats(allow_nan=False),
    *[maybe_large] * 4,
)
machines = st.builds(infos.FarMachine, words, small, large, several(words))
engine_infos = st.builds(
    engine.EngineInfo,
    name=words,
    mode=words,
    capabilities=st.frozensets(st.sampled_from(engine.Capability)),
    details=variables,
    fingerprint=texts,
    network=st.none() | some_networks,
    one_image=st.booleans(),
    search_path=texts,
    processors=st.none() | small,
    memory=maybe_large,
)
far_infos = st.builds(infos.FarInfo, engine_infos, machines, st.booleans(), several(texts))


def again(message: Any) -> Any:
    """A message as the other side gets it."""
    return type(message).FromString(message.SerializeToString())


def there_and_back(to_wire: Callable[[Any], Any], from_wire: Callable[[Any], Any]) -> Any:
    return lambda thing: from_wire(again(to_wire(thing)))


def image_there(image: engine.OciImage) -> engine.OciImage:
    return images.oci_image_from_wire(again(images.oci_image_to_wire(image)), lambda _: NOWHERE)


def no_image(message: pb.OciImage) -> engine.OciImage:
    raise AssertionError(f"there is no image {message}")


NOWHERE = Path("/nowhere")
NO_LAYER = LayerBlob("", "", 0, "", NOWHERE)


@given(task_specs)
def test_tasks(spec: engine.TaskSpec) -> None:
    known = {spec.image.digest: spec.image} if isinstance(spec.image, engine.OciImage) else {}

    back = tasks.task_from_wire(again(tasks.task_to_wire(spec)), lambda image: known[image.digest])

    assert back == spec


def entry_there(entry: engine.Entry) -> engine.Entry:
    return entries.entry_from_wire(again(entries.entry_to_wire(entry)), entry.path)


CASES = {
    "process": (specs, there_and_back(processes.process_to_wire, processes.process_from_wire)),
    "status": (statuses, there_and_back(processes.status_to_wire, processes.status_from_wire)),
    "end": (ends, there_and_back(tasks.end_to_wire, tasks.end_from_wire)),
    "snapshot": (
        any_snapshots,
        there_and_back(images.any_snapshot_to_wire, images.any_snapshot_from_wire),
    ),
    "image": (oci_images, image_there),
    "entry": (some_entries, entry_there),
    "event": (events, there_and_back(entries.event_to_wire, entries.event_from_wire)),
    "log": (logs, there_and_back(networks.network_log_to_wire, networks.network_log_from_wire)),
    "fault": (faults, there_and_back(networks.fault_to_wire, networks.fault_from_wire)),
    "membership": (
        memberships,
        there_and_back(networks.membership_to_wire, networks.membership_from_wire),
    ),
    "usage": (usage, there_and_back(usages.usage_to_wire, usages.usage_from_wire)),
    "info": (far_infos, there_and_back(infos.info_to_wire, infos.info_from_wire)),
}


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
def test_all_else(case: str, data: st.DataObject) -> None:
    things, convert = CASES[case]
    thing = data.draw(things)

    assert convert(thing) == thing


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (images.any_snapshot_from_wire, pb.AnySnapshot()),
        (images.any_snapshot_from_wire, pb.AnySnapshot(files=b"x" * 5000)),
        (lambda message: images.root_image_from_wire(message, no_image), pb.RootImage()),
        (lambda message: tasks.task_from_wire(message, no_image), pb.TaskSpec()),
        (image_there, engine.OciImage("x", "sha256:../../etc", ())),
        (image_there, engine.OciImage("x", f"sha256:{'0' * 64}", (NO_LAYER,))),
        (processes.status_from_wire, pb.ExitStatus()),
        (processes.status_from_wire, pb.ExitStatus(code=256)),
        (processes.process_from_wire, pb.ProcessSpec(stdout=7)),  # type: ignore[arg-type]
        (tasks.end_from_wire, pb.TaskEnd(cause=7)),  # type: ignore[arg-type]
        (lambda message: entries.entry_from_wire(message, "/"), pb.Entry(kind="door")),
        (entries.event_from_wire, pb.WatchReply(kind="Opened")),
        (networks.network_log_from_wire, pb.NetworkLogReply(records=[pb.ConnectionRecord()])),
        (networks.fault_from_wire, pb.ConnectionFault(effect="explode")),
    ],
)  # fmt: skip
def test_nonsense_is_malformed(convert: Callable[[Any], Any], message: Any) -> None:
    with pytest.raises(Malformed):
        convert(message)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_no_entry_leads_out_of_its_directory(name: str) -> None:
    message = pb.Entry(name=name.encode(), kind="file")

    with pytest.raises(Malformed):
        entries.entry_of_directory_from_wire(message, "/tmp")


def test_gpus_that_will_do_as_well_are_not_nested_deep() -> None:
    nested = pb.Gpus(count=1)
    for _ in range(3):
        nested = pb.Gpus(count=1, otherwise=[nested])
    spec = pb.TaskSpec(image=pb.RootImage(host=True), gpus=nested)

    with pytest.raises(Malformed):
        tasks.task_from_wire(spec, no_image)


# Errors

ERRORS = [
    engine.EngineUnavailable("no kernel", "get one"),
    engine.EngineUnavailable("no kernel"),
    engine.InvalidSpec("argv () has no command"),
    engine.Unsupported("gpu", "there is none: buy one"),
    engine.SpawnFailed(errno.ENOENT, "cannot run 'x': No such file or directory"),
    engine.UnknownImage("no image 'x'"),
    engine.NotFreezable("a process holds a socket"),
    engine.StoreFull("no room"),
    engine.StoreFull("no room", forgetting_helps=False),
    engine.TaskEnded("the task has ended"),
    engine.TaskLost("the engine on gpu-box is gone"),
    OSError(errno.ENOENT, "No such file or directory", "/tmp/\udcff"),
    OSError(errno.EINVAL, "not an absolute path"),
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    ConnectionRefusedError(errno.ECONNREFUSED, "nothing takes connections to port 1"),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_error_is_raised_as_it_was(error: Exception) -> None:
    raised = failures.error_of(again(failures.failure_of(error)))

    assert type(raised) is type(error)
    assert str(raised) == str(error)
    assert vars(raised) == vars(error)
    assert getattr(raised, "filename", None) == getattr(error, "filename", None)


def test_every_error_of_an_engine_is_known() -> None:
    """But `OutputDropped`, which outputs on this side raise."""
    kinds = {
        each
        for each in vars(engine).values()
        if isinstance(each, type) and issubclass(each, engine.EngineError)
    }

    assert kinds - {type(error) for error in ERRORS} == {engine.EngineError, engine.OutputDropped}


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (BrokenPipeError("closed"), errno.EPIPE),
        (ConnectionResetError("broken off"), errno.ECONNRESET),
        (TimeoutError("late"), errno.ETIMEDOUT),
        (OSError("odd"), errno.EIO),
    ],
    ids=repr,
)
def test_an_error_without_a_number_gets_one(error: OSError, number: int) -> None:
    raised = failures.error_of(again(failures.failure_of(error)))

    assert isinstance(raised, type(error))
    assert (raised.errno, raised.strerror) == (number, str(error))


def test_a_bug_is_an_error_that_says_so() -> None:
    raised = failures.error_of(again(failures.failure_of(KeyError("x"))))

    assert isinstance(raised, engine.EngineError)
    assert "KeyError" in str(raised)


def test_what_has_no_room_says_what_would_free_nothing() -> None:
    pinned: set[engine.AnySnapshot] = {engine.Snapshot("a"), engine.MemorySnapshot("b")}
    failure = again(failures.failure_of(engine.StoreFull("no room"), pinned))

    assert failures.pinned_of(failure) == pinned


@pytest.mark.parametrize("number", [-1, 0, 2**31 - 1])
def test_an_errno_that_there_is_not_is_an_error_of_input_and_output(number: int) -> None:
    raised = failures.error_of(pb.Failure(kind=pb.Failure.OS_ERROR, errno=number))

    assert isinstance(raised, OSError)
    assert raised.errno == errno.EIO


def test_a_kind_of_failure_that_there_is_not_is_an_error() -> None:
    raised = failures.error_of(pb.Failure(kind=99, message=b"?"))  # type: ignore[arg-type]

    assert isinstance(raised, engine.EngineError)


def test_messages_are_bounded() -> None:
    assert len(message_to_wire("é" * 10**6)) < 2 * LONGEST_MESSAGE
    raised = failures.error_of(pb.Failure(message=b"\xff" * 10**6))
    assert len(str(raised)) < 3 * LONGEST_MESSAGE
