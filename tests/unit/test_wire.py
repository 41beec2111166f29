"""Our protocol says what Modal's says: compared with the released clients, fact by fact.

Modal's side is read out of the wheels on the package index, without importing them: of releases
that we serve, the oldest among them, and of whatever is the newest on the day of the run.
"""

import ast
import importlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from pytest_sandbox import _proto
from pytest_sandbox._proto.control_grpc import ModalClientStub
from pytest_sandbox._proto.router_grpc import TaskCommandRouterStub
from pytest_sandbox.server.rpc.refusals import refusal

OLDEST = "1.1.4"
#: Releases that CI runs, besides the newest.
RELEASES = (OLDEST, "1.2.3", "1.3.5", "1.4.3", "1.5.5")
OURS_ALONE = ("engine_pb2.py", "extensions_pb2.py", "inspector_pb2.py")
PACKAGES = (".modal.client.", ".modal.task_command_router.", ".pytest_sandbox.")

#: Fields that Modal has in a message of ours and that we leave out, with the reason.
LEFT_OUT = {
    **dict.fromkeys(
        (
            "AppGetInfoResponse#2",
            "AppGetInfoResponse.FunctionInfoSummariesEntry",
            "AppGetInfoResponse.FunctionInfoSummary",
        ),
        "about functions",
    ),
    "SharedVolumeMount#4": "only 1.1.4 has it; network file systems are refused",
}

#: Fields that a release has otherwise than ours, in what is the same on the wire, with the reason.
CHANGED = {"SandboxGetCommandRouterAccessRequest#1": "in a oneof since 1.5"}

#: Fields of ours in messages of Modal's, with the reason; their numbers are far from Modal's.
ADDED = {
    **dict.fromkeys(
        ("SystemErrorMessage#1001", "SystemErrorMessage#1002", "SystemErrorMessage#1003"),
        "an OSError has more numbers than SystemErrorCode",
    ),
    "ContainerFilesystemExecGetOutputRequest#1001": "no event of a watch is lost",
}

#: What a definition says: a key that names one thing, and everything said about it.
Facts = dict[str, str]
Download = Callable[[str], Path]


def plain(type_name: str) -> str:
    for package in PACKAGES:
        type_name = type_name.removeprefix(package)
    return type_name


def field_says(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    kind = plain(field.type_name) or FieldDescriptorProto.Type.Name(field.type)
    label = FieldDescriptorProto.Label.Name(field.label)
    choice = ""
    if field.proto3_optional:
        choice = " (presence is told)"
    elif field.HasField("oneof_index"):
        choice = f" in oneof {message.oneof_decl[field.oneof_index].name}"
    return f"{label} {kind} {field.name}{choice}"


def of_enum(enum: EnumDescriptorProto, outer: str) -> Iterator[tuple[str, str]]:
    yield f"{outer}{enum.name}", "enum"
    for value in enum.value:
        yield f"{outer}{enum.name}.{value.name}", f"= {value.number}"


def of_message(message: DescriptorProto, outer: str = "") -> Iterator[tuple[str, str]]:
    name = f"{outer}{message.name}"
    yield name, "map entry" if message.options.map_entry else "message"
    for field in message.field:
        yield f"{name}#{field.number}", field_says(field, message)
    for enum in message.enum_type:
        yield from of_enum(enum, f"{name}.")
    for nested in message.nested_type:
        yield from of_message(nested, f"{name}.")


def of_service(service: ServiceDescriptorProto) -> Iterator[tuple[str, str]]:
    for rpc in service.method:
        takes = "stream " * rpc.client_streaming + plain(rpc.input_type)
        gives = "stream " * rpc.server_streaming + plain(rpc.output_type)
        yield f"{service.name}/{rpc.name}", f"{takes} -> {gives}"


def facts(files: list[FileDescriptorProto]) -> Facts:
    found: Facts = {}
    for file in files:
        for message in file.message_type:
            found.update(of_message(message))
        for enum in file.enum_type:
            found.update(of_enum(enum, ""))
        for service in file.service:
            found.update(of_service(service))
    return found


def owner(key: str) -> str:
    """The message, enum or service that a fact belongs to."""
    return key.partition("#")[0] if "#" in key else key.rpartition(".")[0]


def our_files() -> list[FileDescriptorProto]:
    files = []
    for module in sorted(Path(_proto.__path__[0]).glob("*_pb2.py")):
        if module.name not in OURS_ALONE:
            file = FileDescriptorProto()
            importlib.import_module(f"{_proto.__name__}.{module.stem}").DESCRIPTOR.CopyToProto(file)
            files.append(file)
    return files


def wheel_files(wheel: Path) -> list[FileDescriptorProto]:
    """The descriptors that a wheel's generated modules would register, were they imported."""
    with zipfile.ZipFile(wheel) as archive:
        sources = [
            archive.read(name)
            for name in archive.namelist()
            if name.startswith("modal_proto/") and name.endswith("_pb2.py")
        ]
    return [
        FileDescriptorProto.FromString(node.args[0].value)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "AddSerializedFile"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, bytes)
    ]


@pytest.fixture(scope="module")
def ours() -> Facts:
    return facts(our_files())


@pytest.fixture(scope="module")
def oldest(modal_wheel: Download) -> Facts:
    return facts(wheel_files(modal_wheel(f"modal=={OLDEST}")))


@pytest.fixture(scope="module")
def newest(modal_wheel: Download) -> Facts:
    return facts(wheel_files(modal_wheel("modal")))


@pytest.fixture(scope="module", params=[*RELEASES, ""], ids=lambda version: version or "newest")
def released(request: pytest.FixtureRequest, modal_wheel: Download) -> Facts:
    version = request.param
    return facts(wheel_files(modal_wheel(f"modal=={version}" if version else "modal")))


def test_a_release_is_read_whole(released: Facts) -> None:
    assert released["SandboxCreateRequest#1"] == "LABEL_OPTIONAL TYPE_STRING app_id"
    assert released["ModalClient/SandboxCreate"] == "SandboxCreateRequest -> SandboxCreateResponse"
    read = "TaskExecStdioReadRequest -> stream TaskExecStdioReadResponse"
    # The oldest release has no command router.
    assert released.get("TaskCommandRouter/TaskExecStdioRead", read) == read


def test_everything_of_ours_is_in_a_release(ours: Facts, oldest: Facts, newest: Facts) -> None:
    assert ours.keys() - oldest.keys() - newest.keys() == ADDED.keys()
    assert all(int(key.partition("#")[2]) > 1000 for key in ADDED)


def test_nothing_of_ours_contradicts_a_release(ours: Facts, released: Facts) -> None:
    contradictions = [
        f"{key}: {ours[key]}, Modal: {released[key]}"
        for key in sorted(ours.keys() & released.keys())
        if ours[key] != released[key] and key not in CHANGED
    ]
    assert contradictions == []


def test_what_we_serve_is_served_whole(ours: Facts, released: Facts) -> None:
    missing = [
        f"{key}: {released[key]}"
        for key in sorted(released.keys() - ours.keys() - LEFT_OUT.keys())
        if owner(key) in ours
    ]
    assert missing == []


def test_what_is_left_out_exists_and_is_left_out(ours: Facts, oldest: Facts, newest: Facts) -> None:
    assert LEFT_OUT.keys() <= oldest.keys() | newest.keys()
    assert LEFT_OUT.keys().isdisjoint(ours)


def test_the_second_version_is_compared_too(ours: Facts, newest: Facts) -> None:
    for key in (
        "ModalClient/SandboxCreateV2",
        "ModalClient/SandboxRestoreV2",
        "SandboxCreateV2Response#1",
        "SandboxStdioReadV2Response#1",
        "TaskCommandRouter/SandboxStdioReadV2",
        "TaskCommandRouter/TaskSnapshotMemory",
    ):
        assert ours[key] == newest[key]
    assert sum("V2" in key and "#" in key for key in ours.keys() & newest.keys()) > 30


def test_calls_that_we_do_not_serve_are_refused_by_what_their_callers_know(
    ours: Facts, newest: Facts
) -> None:
    calls = [
        (service, rpc)
        for service, slash, rpc in (key.partition("/") for key in newest.keys() - ours.keys())
        if slash
    ]
    assert len(calls) > 100
    assert [each for each in calls if refusal(*each).startswith(each[1])] == []


def test_our_services_answer_where_modal_clients_call(modal_wheel: Download) -> None:
    theirs = {
        f"/{file.package}.{service.name}/{rpc.name}"
        for wheel in (modal_wheel(f"modal=={OLDEST}"), modal_wheel("modal"))
        for file in wheel_files(wheel)
        for service in file.service
        for rpc in service.method
    }
    channel = cast("Any", None)  # a stub makes its methods without one
    paths = {
        method.name
        for stub in (ModalClientStub(channel), TaskCommandRouterStub(channel))
        for method in vars(stub).values()
    }
    assert len(paths) == sum(1 for file in our_files() for s in file.service for _ in s.method)
    assert sorted(paths - theirs) == []
