"""Arguments that make no sense, or are not implemented yet, are refused before anything is sent."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._proto.sandboxes_pb2 import NetworkAccess
from pytest_sandbox.client import Client, FileWatchEventType, Image, Sandbox, Secret, exceptions
from pytest_sandbox.client.files.watch_events import kinds
from pytest_sandbox.client.sandbox.resources import network_access, resources
from pytest_sandbox.client.validation import check_command

from .stubs import Service, control

if TYPE_CHECKING:
    from collections.abc import Callable

Invalid = exceptions.InvalidError


@pytest.fixture
def nothing_served() -> Service:
    return control()


@pytest.fixture
def offline(serve: Callable[..., Client], nothing_served: Service) -> Client:
    """A client of a server that answers nothing."""
    return serve(nothing_served)


@pytest.fixture(autouse=True)
def _nothing_is_asked(nothing_served: Service, offline: Client) -> Any:
    before = Client.set_default(offline)
    yield
    Client.set_default(before)
    assert nothing_served.asked == []


@pytest.fixture
def sandbox(offline: Client) -> Sandbox:
    return Sandbox("sb-1", offline)


COMMANDS = [
    ((b"bytes",), "argument 0 is b'bytes', a bytes"),
    (("echo", 3), "argument 1 is 3, an int"),
    (("echo", None), "argument 1 is None"),
    (("echo", "a\0b"), "NUL"),
    (("x" * (2**16 + 1),), "65537 bytes"),
    (("x" * 2**15, "é" * 2**14, "x"), "65537 bytes"),
]


@pytest.mark.parametrize(("args", "message"), COMMANDS)
def test_arguments_of_a_command(sandbox: Sandbox, call: Any, args: Any, message: str) -> None:
    for function in (Sandbox.create, sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match=message):
            call(function, *args)


def test_a_command_is_needed(sandbox: Sandbox) -> None:
    for function in (sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match="a command is needed"):
            function()


@pytest.mark.parametrize("workdir", ["relative", "", "./x", "~/x", "/a\0b", 3])
def test_working_directories(sandbox: Sandbox, workdir: Any) -> None:
    for function in (Sandbox.create, sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match="workdir="):
            function("true", workdir=workdir)


@pytest.mark.parametrize("seconds", [-1, 1.5, "1", True, 2**32])
def test_seconds(sandbox: Sandbox, seconds: Any) -> None:
    for function in (Sandbox.create, sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match=f"timeout={seconds!r}"):
            function("true", timeout=seconds)
    with pytest.raises(Invalid, match=f"idle_timeout={seconds!r}"):
        Sandbox.create(idle_timeout=seconds)


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "é", "x" * 65, "ap-" + "x" * 22, "a\n", 3, "a\0b"]
)
def test_names(name: Any) -> None:
    with pytest.raises(Invalid, match="is not a name for Sandbox"):
        Sandbox.create(name=name)


@pytest.mark.parametrize("env", [{"A": 1}, {1: "A"}, {"": "x"}, {"A=B": "x"}, {"A": "\0"}, ["A"]])
def test_environments(sandbox: Sandbox, env: Any) -> None:
    with pytest.raises(Invalid, match="env"):
        Secret.from_dict(env)
    for function in (sandbox.exec, sandbox.run):
        with pytest.raises(Invalid, match="env"):
            function("true", env=env)


def test_a_variable_that_is_not_set_here() -> None:
    with pytest.raises(Invalid, match="NOT_SET_ANYWHERE"):
        Secret.from_local_environ(["PATH", "NOT_SET_ANYWHERE"])


@pytest.mark.parametrize(
    "amount", [0, -1, "1", True, (), (1, 2, 3), (2, 1), (0, 1), float("nan"), float("inf"), 1e12]
)
@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_amounts(name: str, amount: Any) -> None:
    with pytest.raises(Invalid, match=f"{name}="):
        resources(**{"cpu": None, "memory": None, name: amount})


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (10**9, "memory=1000000000 is out of range: at most 2097151 can be requested"),
        (float("inf"), "memory=inf is out of range: at most 2097151"),
        (0.0001, r"memory=0\.0001 is out of range: at least 0\.001"),
        (float("nan"), "is not a positive number"),
    ],
)
def test_an_amount_that_is_out_of_range_names_the_bound(amount: float, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        resources(None, amount)


def test_memory_is_whole_mebibytes() -> None:
    with pytest.raises(Invalid, match="whole number"):
        resources(None, 1.5)


def test_amounts_are_requests_and_limits() -> None:
    both = resources((0.5, 2), (128, 256))
    assert (both.milli_cpu, both.milli_cpu_max) == (500, 2000)
    assert (both.memory_mb, both.memory_mb_max) == (128, 256)
    requests = resources(1, 64)
    assert (requests.milli_cpu, requests.milli_cpu_max) == (1000, 0)
    assert (requests.memory_mb, requests.memory_mb_max) == (64, 0)


def test_what_the_arguments_of_the_network_mean() -> None:
    def kind_and_cidrs(**given: Any) -> tuple[str, list[str]]:
        arguments = {
            "block_network": False,
            "network": None,
            "cidr_allowlist": None,
            "outbound_cidr_allowlist": None,
            "outbound_domain_allowlist": None,
        }
        access = network_access(**{**arguments, **given})
        kind = NetworkAccess.NetworkAccessType.Name(access.network_access_type)
        return kind, list(access.allowed_cidrs)

    assert kind_and_cidrs() == ("OPEN", [])
    assert kind_and_cidrs(block_network=True) == ("BLOCKED", [])
    assert kind_and_cidrs(network="none") == ("ALLOWLIST", [])
    assert kind_and_cidrs(network="open") == ("ALLOWLIST", ["0.0.0.0/0", "::/0"])
    assert kind_and_cidrs(cidr_allowlist=["10.0.0.0/8"]) == ("ALLOWLIST", ["10.0.0.0/8"])
    assert kind_and_cidrs(outbound_cidr_allowlist=["::/0"]) == ("ALLOWLIST", ["::/0"])
    assert kind_and_cidrs(outbound_domain_allowlist=["example.com"]) == ("ALLOWLIST", [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"network": "lan"}, "network='lan' is neither 'none' nor 'open'"),
        ({"network": "opne"}, "nor a SandboxNetwork; did you mean 'open'"),
        ({"network": "test"}, "'test' is for the sandboxes of pytest's fixtures"),
        (
            {"cidr_allowlist": ["10.0.0.1/8"]},
            "Invalid CIDR: '10.0.0.1/8': .* has host bits set; did you mean '10.0.0.0/8'",
        ),
        ({"inbound_cidr_allowlist": [" ::1/128"]}, "did you mean '::1/128'"),
        ({"inbound_cidr_allowlist": ["fe80::%1/64"]}, "Invalid CIDR: 'fe80::%1/64' is not text"),
        ({"inbound_cidr_allowlist": []}, r"inbound_cidr_allowlist=\[\] must be a list of one"),
        ({"inbound_cidr_allowlist": [], "block_network": True}, "exclude each other"),
        ({"cidr_allowlist": [1]}, "Invalid CIDR: 1 is not text"),
        ({"outbound_domain_allowlist": ["a b"]}, "Invalid domain: 'a b'"),
        ({"outbound_domain_allowlist": ["http://a.b"]}, "Invalid domain: .*did you mean 'a.b'"),
        ({"outbound_domain_allowlist": ["8.8.8.8"]}, "Invalid domain: .* is for cidr_allowlist"),
        ({"outbound_domain_allowlist": ["*"], "network": "open"}, "exclude each other"),
        ({"block_network": True, "network": "open"}, "block_network=True and network='open'"),
        ({"network": "open", "cidr_allowlist": []}, "exclude each other"),
    ],
)
def test_networks_that_make_no_sense(call: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(exceptions.InvalidError, match=told):
        call(Sandbox.create, **given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"outbound_domain_allowlist": "localhost"},
            r"a str, .*of names; .*mean \['localhost'\]\?",
        ),
        ({"cidr_allowlist": "10.0.0.0/8"}, r"of networks; did you mean \['10.0.0.0/8'\]\?"),
        ({"outbound_cidr_allowlist": "::/0"}, r"of networks; did you mean \['::/0'\]\?"),
        ({"inbound_cidr_allowlist": "::/0"}, r"of networks; did you mean \['::/0'\]\?"),
        ({"cidr_allowlist": 5}, "cidr_allowlist=5 is an int, not a list of networks"),
        ({"encrypted_ports": "80"}, r"a str, not a list of ports; did you mean \['80'\]\?"),
        ({"unencrypted_ports": 80}, r"an int, not a list of ports; did you mean \[80\]\?"),
    ],
)
def test_a_value_for_a_list_of_it(call: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(exceptions.InvalidError, match=told):
        call(Sandbox.create, **given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image.host().uv_pip_install("x", requirements="requirements.txt"),  # type: ignore[arg-type]
        lambda: Image.host().add_local_dir(".", "/x", ignore="*.pyc"),
        lambda: Image.host().entrypoint("sh"),  # type: ignore[arg-type]
        lambda: Secret.from_name("s", required_keys="KEY"),
        lambda: kinds("Modify"),
    ],
)
def test_a_text_for_a_list_of_texts(make: Any) -> None:
    with pytest.raises(exceptions.InvalidError, match=r"is a str, not a list of .*; did you mean"):
        make()


#: Every argument of `create` that does nothing yet, with a value that asks for something.
REFUSED = {
    "network_file_systems": {"/mnt": object()},
    "custom_domain": "example.com",
    "_experimental_outbound_policy": object(),
    "_experimental_persistent": True,
    "environment_name": "main",
    "pty_info": object(),
}
HONOURED = {
    *(
        "args",
        "app",
        "name",
        "tags",
        "image",
        "env",
        "secrets",
        "timeout",
        "idle_timeout",
        "workdir",
    ),
    *("network", "alias", "cidr_allowlist", "outbound_cidr_allowlist"),
    *("outbound_domain_allowlist", "inbound_cidr_allowlist"),
    *("cpu", "memory", "block_network", "pty", "verbose", "client"),
    *("gpu", "volumes", "encrypted_ports", "h2_ports", "unencrypted_ports"),
    *(
        "readiness_probe",
        "proxy",
        "cloud",
        "region",
        "runtime",
        "experimental_options",
        "include_oidc_identity_token",
    ),
    "_experimental_enable_snapshot",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_built_yet_is_refused_by_name(call: Any, name: str) -> None:
    with pytest.raises(exceptions.UnimplementedError, match=f"{name}="):
        call(Sandbox.create, **{name: REFUSED[name]})


def test_no_argument_is_ignored() -> None:
    assert set(inspect.signature(Sandbox.create).parameters) == HONOURED | REFUSED.keys()


@pytest.mark.parametrize("name", ["pty_info", "_pty_info"])
def test_exec_refuses_what_is_deprecated(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(exceptions.UnimplementedError, match=f"{name}="):
        sandbox.exec("true", **{name: object()})  # type: ignore[call-overload]


@pytest.mark.parametrize("bufsize", [0, 2, -2, None])
def test_buffer_sizes(sandbox: Sandbox, bufsize: Any) -> None:
    with pytest.raises(Invalid, match=f"bufsize={bufsize!r}"):
        sandbox.exec("true", bufsize=bufsize)


def test_lines_are_text(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="text=True"):
        sandbox.exec("true", text=False, bufsize=1)


@pytest.mark.parametrize("where", ["PIPE", 1, None, object()])
def test_where_output_goes(sandbox: Sandbox, where: Any) -> None:
    with pytest.raises(Invalid, match="stdout="):
        sandbox.exec("true", stdout=where)
    with pytest.raises(Invalid, match="stderr="):
        sandbox.exec("true", stderr=where)


@pytest.mark.parametrize("path", ["relative", "", "a\0b", "/a\0b", 3, b"/bytes"])
def test_paths(sandbox: Sandbox, call: Any, path: Any) -> None:
    filesystem = sandbox.filesystem
    for function in (
        filesystem.read_text,
        filesystem.read_bytes,
        filesystem.list_files,
        filesystem.stat,
        filesystem.make_directory,
        filesystem.remove,
    ):
        with pytest.raises(Invalid, match="not an absolute path"):
            call(function, path)
    with pytest.raises(Invalid, match="not an absolute path"):
        call(filesystem.write_text, "data", path)
    with pytest.raises(Invalid, match="not an absolute path"):
        call(filesystem.write_bytes, b"data", path)


@pytest.mark.parametrize("path", ["", "a\0b", 3, b"/bytes"])
def test_paths_that_may_be_relative(sandbox: Sandbox, call: Any, path: Any) -> None:
    for function in (sandbox.ls, sandbox.mkdir, sandbox.rm, sandbox.open):
        with pytest.raises(Invalid, match="not a path"):
            call(function, path)


def test_paths_that_are_watched(sandbox: Sandbox, items: Any) -> None:
    with pytest.raises(Invalid, match="not an absolute path"):
        items(sandbox.filesystem.watch, "relative")
    with pytest.raises(Invalid, match="not a path"):
        items(sandbox.watch, "")
    for function in (sandbox.watch, sandbox.filesystem.watch):
        with pytest.raises(Invalid, match="timeout="):
            items(function, "/", timeout=-1)
        with pytest.raises(Invalid, match="filter="):
            items(function, "/", filter=["Nothing"])


def test_kinds_of_another_library_are_understood() -> None:
    class Theirs(Enum):
        Create = "Create"

    # `Unknown` is told whatever is asked for: it says that events were lost.
    assert kinds([Theirs.Create]) == {FileWatchEventType.Create, FileWatchEventType.Unknown}


@pytest.mark.parametrize("data", ["text", 3, None])
def test_bytes_are_written_as_bytes(sandbox: Sandbox, data: Any) -> None:
    with pytest.raises(TypeError, match="takes bytes"):
        sandbox.filesystem.write_bytes(data, "/x")


@pytest.mark.parametrize("data", [b"bytes", 3, None])
def test_text_is_written_as_text(sandbox: Sandbox, data: Any) -> None:
    with pytest.raises(TypeError, match="takes a str"):
        sandbox.filesystem.write_text(data, "/x")


@pytest.mark.parametrize("mode", ["", "b", "rw", "rr", "r++", "z", "rt", "+", "U", "wax"])
def test_modes(sandbox: Sandbox, mode: Any) -> None:
    with pytest.raises(ValueError, match="mode="):
        sandbox.open("/x", mode)


@pytest.mark.parametrize("version", [3.12, "3.12-slim", "2.7", "3.", ""])
def test_versions_of_a_python(version: Any) -> None:
    with pytest.raises(Invalid, match=r"is no version, such as '3\.12'"):
        Image.debian_slim(python_version=version)


@pytest.mark.parametrize("image_id", ["", "sb-1", 3])
def test_ids_of_images(image_id: Any) -> None:
    with pytest.raises(Invalid, match="im-"):
        Image.from_id(image_id)


def test_the_folder_of_an_upload_has_to_be_one(sandbox: Sandbox, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sandbox.upload(tmp_path / "nowhere", "/x")
    with pytest.raises(NotADirectoryError, match="file"):
        sandbox.upload(tmp_path / "file", "/x")
    with pytest.raises(Invalid, match="remote="):
        sandbox.upload(tmp_path, "x")
    with pytest.raises(Invalid, match="remote="):
        sandbox.download("x", tmp_path)


@pytest.mark.parametrize("command", [["ls", "/"], ("ls",)])
def test_a_command_in_a_list_is_told_of_the_star(command: object) -> None:
    with pytest.raises(Invalid, match=r"by a \*: exec\(\*[\[(]'ls'"):
        check_command([command])
