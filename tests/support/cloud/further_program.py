"""The rest of what clients can say about sandboxes, for their calls to be compared.

What the cloud refuses is here too: the request is what counts, and both clients are refused.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: More than a message takes.
LARGE = bytes(range(256)) * 4 * 5000


def program(modal: Any) -> None:
    """Make the calls that `program` leaves out, and pass the arguments that it does not.

    Args:
        modal: the client.
    """
    app = modal.App.lookup("further", create_if_missing=True)
    image = modal.Image.from_registry("debian:12")
    definitions(modal, app, image)
    sandbox = modal.Sandbox.create(app=app, image=image)
    commands(modal, sandbox)
    files(sandbox)
    policies(sandbox)
    sidecars(modal, sandbox, image)
    ends(modal, app, image)
    secrets(modal)
    volumes(modal)


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Make a call that the cloud does not carry out."""
    try:
        call(*args, **kwargs)
    except Exception:  # which differs, and is not what is compared
        return
    raise AssertionError("the cloud has carried it out")


def definitions(modal: Any, app: Any, image: Any) -> None:
    """Sandboxes with each argument, also those that only Modal's own cloud has."""

    def create(**kwargs: Any) -> None:
        with contextlib.suppress(Exception):  # the engine behind the cloud has not all of it
            modal.Sandbox.create("true", app=app, image=image, **kwargs).wait()

    create(
        cloud="aws",
        region=["us-east", "us-west"],
        cpu=(0.25, 1.5),
        memory=(128, 512),
        verbose=True,
        outbound_cidr_allowlist=["192.0.2.0/24", "198.51.100.0/24"],
        outbound_domain_allowlist=["example.com", "*.example.org"],
        inbound_cidr_allowlist=["203.0.113.0/24"],
        h2_ports=[8443],
        env={"SET": "a", "NOT_SET": None},
        secrets=[modal.Secret.from_dict({"ONE": "1"}), modal.Secret.from_dict({"TWO": "2"})],
        experimental_options={"enable_exit_snapshot": True},
        include_oidc_identity_token=True,
    )
    create(block_network=True, runtime="gvisor", region="eu")
    create(outbound_domain_allowlist=["*"], pty=True)
    create(readiness_probe=modal.Probe.with_tcp(8080, interval_ms=250), timeout=60 * 60)
    create(volumes={"/data": modal.Volume.from_name("given", create_if_missing=True).read_only()})
    for gpu in ("H100", "A100-80GB:2", "any", "l4:8"):
        create(gpu=gpu, tags={"which": gpu.partition(":")[0]})
    create(proxy=modal.Proxy.from_name("office"))


def commands(modal: Any, sandbox: Any) -> None:
    """Commands with each argument, a kill by their timeout, and binary streams."""
    stream_type = modal.stream_type.StreamType
    quiet = sandbox.exec("echo", stdout=stream_type.DEVNULL, stderr=stream_type.DEVNULL)
    assert quiet.wait() == 0
    terminal = sandbox.exec("true", pty=True, workdir="/")
    terminal.wait()
    secret = modal.Secret.from_dict({"TOKEN": "t"})
    known = sandbox.exec("printenv", "TOKEN", secrets=[secret], env={"SET": "a", "NOT_SET": None})
    assert list(known.stdout) == ["t\n"]
    known.wait()
    binary = sandbox.exec("cat", text=False)
    binary.stdin.write(b"\x00\xff")
    binary.stdin.drain()
    binary.stdin.write(b"\x01" * 100_000)
    binary.stdin.write_eof()
    binary.stdin.drain()
    assert binary.stdout.read() == b"\x00\xff" + b"\x01" * 100_000
    binary.wait()
    lines = sandbox.exec("sh", "-c", "echo one; echo two", bufsize=1)
    assert list(lines.stdout) == ["one\n", "two\n"]
    lines.wait()
    failing = sandbox.exec("sh", "-c", "echo no >&2; exit 9")
    assert failing.stderr.read() == "no\n"
    assert failing.wait() == 9
    running = sandbox.exec("cat")
    assert running.poll() is None
    running.stdin.write_eof()
    running.stdin.drain()
    assert running.wait() == 0


def files(sandbox: Any) -> None:
    """What `program` does not do with files."""
    filesystem = sandbox.filesystem
    filesystem.make_directory("/srv/folder/in/it")
    refused(filesystem.make_directory, "/srv/folder", create_parents=False)
    filesystem.write_bytes(b"\x00bytes", "/srv/folder/file")
    assert filesystem.read_bytes("/srv/folder/file") == b"\x00bytes"
    assert filesystem.stat("/srv/folder/file").size == 6
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "local")
        filesystem.copy_to_local("/srv/folder/file", local)
        filesystem.copy_from_local(local, "/srv/folder/copy")
    refused(filesystem.read_text, "/srv/no-file")
    refused(filesystem.remove, "/srv/folder")
    filesystem.remove("/srv/folder/copy")


def policies(sandbox: Any) -> None:
    """What of a sandbox can be changed."""
    sandbox._experimental_set_name("later")
    sandbox._experimental_set_outbound_network_policy(outbound_domain_allowlist=["example.com"])
    sandbox._experimental_set_outbound_network_policy(outbound_cidr_allowlist=["192.0.2.0/24"])
    sandbox._experimental_set_outbound_network_policy()
    sandbox._experimental_stats()


def sidecars(modal: Any, sandbox: Any, image: Any) -> None:
    """Containers beside it."""
    beside = sandbox._experimental_sidecars
    one = beside.create(
        *("sh", "-c", "sleep 60"),
        name="one",
        image=image,
        env={"GREETING": "hello"},
        secrets=[modal.Secret.from_dict({"ONE": "1"})],
        workdir="/srv",
    )
    assert one.exec("printenv", "GREETING", env={"A": "b"}).wait() == 0
    assert [each.object_id for each in beside.list()] == [one.object_id]
    assert beside.get(name="one").object_id == one.object_id
    assert one.poll() is None
    one.snapshot_filesystem()
    assert one.terminate(wait=True) == 137
    assert len(beside.list(include_terminated=True)) == 1


def ends(modal: Any, app: Any, image: Any) -> None:
    """Ends of all kinds, and what is left of a sandbox after its end."""
    ended = modal.Sandbox.create(
        *("sh", "-c", "echo out; echo err >&2; exit 5"),
        app=app,
        image=image,
        experimental_options={"enable_exit_snapshot": True},
    )
    ended.wait()
    assert (ended.returncode, ended.poll()) == (5, 5)
    assert (ended.stdout.read(), ended.stderr.read()) == ("out\n", "err\n")
    image = ended._experimental_get_exit_snapshot()
    modal.Image.from_id(image.object_id).build(app)
    assert sorted(entry.message for entry in ended.logs.tail(10)) == ["err\n", "out\n"]
    refused(ended.exec, "true")
    other = modal.Sandbox.create(app=app, image=image, tags={"some": "tag"})
    assert other.terminate(wait=True) == 137
    refused(modal.Sandbox.from_name, "further", "nobody")
    refused(modal.Sandbox.from_id, "sb-01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert len(list(modal.Sandbox.list(app_id=app.app_id, tags={"no": "such"}))) == 0


def secrets(modal: Any) -> None:
    """Secrets with names."""
    modal.Secret.objects.create("first", {"A": "a"})
    modal.Secret.objects.create("first", {"A": "a"}, allow_existing=True)
    secret = modal.Secret.from_name("first", required_keys=["A"])
    secret.update({"B": "b"})
    assert secret.info(refresh=True).name == "first"
    assert [each.name for each in modal.Secret.objects.list()] == ["first"]
    modal.Secret.objects.delete("first")
    refused(modal.Secret.from_name("first").hydrate)


def volumes(modal: Any) -> None:
    """Volumes as a whole, and a content that is too large for a message."""
    volume = modal.Volume.from_name("large", create_if_missing=True, version=1)
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(LARGE), "/large", mode=0o600)
    assert b"".join(volume.read_file("large")) == LARGE
    assert volume.info().name == "large"
    volume.commit()
    volume.reload()
    modal.Volume.objects.create("made", version=2)
    names = sorted(each.name for each in modal.Volume.objects.list())
    assert names == ["given", "large", "made"]
    modal.Volume.rename("made", "renamed")
    modal.Volume.objects.delete("renamed")
    assert modal.Volume.from_id(volume.object_id).info().name == "large"
