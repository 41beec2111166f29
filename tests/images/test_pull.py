"""Images are pulled from registries, honest ones and such that lie, break off or never end."""

import base64
import json
import socket
import ssl
import stat
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from pytest_sandbox.images import (
    DamagedImage,
    ImageDenied,
    ImageNotFound,
    ImageStore,
    ImageTooLarge,
    RegistryUnreachable,
    ResolvedImage,
    parse_reference,
)
from pytest_sandbox.images.registry import Login, Puller, PullInterrupted, PullSettings

from .made import MACHINE, OTHER, Made, digest, image, index
from .registry import Answer, Handler, Registry, always, running, times


def settings(environ: dict[str, str] | None = None, **more: Any) -> PullSettings:
    """Without the logins of this user; no time passes while it waits."""
    own = {"HOME": "/nowhere", **(environ or {})}
    return PullSettings(own, **{"timeout": 5.0, "wait": lambda seconds: None, **more})


def pull(name: str, store: ImageStore, settings: PullSettings = settings()) -> ResolvedImage:  # noqa: B008
    puller = Puller(parse_reference(name), store, settings)
    found = puller.resolve()
    puller.download(found)
    return found


def check(found: ResolvedImage, made: Made) -> None:
    assert [each.digest for each in found.layers] == made.layers
    assert [each.diff_id for each in found.layers] == made.diff_ids
    for each in found.layers:
        assert digest(each.path.read_bytes()) == each.digest


def test_an_image(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"}, {"b": b"2" * 9999}, config={"Env": ["A=1"], "Cmd": ["x"]})
    name = registry.add("x/y:1", made)

    found = pull(name, store)

    check(found, made)
    assert (found.reference, found.digest, found.pin) == (name, made.digest, made.digest)
    assert (dict(found.config.env), found.config.cmd) == ({"A": "1"}, ("x",))
    (asked,) = [each for each in registry.asked if "manifests" in each.path]
    assert "application/vnd.oci.image.index.v1+json" in asked.headers["Accept"]
    assert "manifest.list.v2+json" in asked.headers["Accept"]


def test_the_second_time_nothing_is_asked(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    pull(name, store)
    registry.asked.clear()

    pull(name, store)
    assert registry.asked == []

    puller = Puller(parse_reference(name), store, settings())
    registry.images["x:1"] = image({"new": b""})
    assert puller.resolve(refresh=True).digest == registry.images["x:1"].digest
    check(pull(name, store), registry.images["x:1"])


def test_a_layer_that_is_unpacked_is_not_downloaded(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"}, {"b": b"2"})
    with store.new_layer() as folder:
        store.publish_layer(made.diff_ids[0], folder, 1)

    pull(registry.add("x:1", made), store)

    assert not any(made.layers[0] in path for path in registry.paths("blobs"))
    assert any(made.layers[1] in path for path in registry.paths("blobs"))


def test_a_layer_that_is_not_whole_is_downloaded_again(
    registry: Registry, store: ImageStore
) -> None:
    made = image()
    name = registry.add("x:1", made)
    pull(name, store)
    store.blob(made.layers[0]).write_bytes(b"")

    check(pull(name, store), made)


def test_this_architecture_is_chosen(registry: Registry, store: ImageStore) -> None:
    mine, other = image({"a": b"mine"}), image({"a": b"other"})
    attestation = image({"z": b""}).descriptor(
        platform={"os": "unknown", "architecture": "unknown"}
    )
    both = index({f"linux/{OTHER}": other, f"linux/{MACHINE}": mine}, attestation)
    name = registry.add("x:1", both)

    check(pull(name, store), mine)
    check(pull(f"{registry.host}/x@{both.digest}", store), mine)
    check(pull(f"{registry.host}/x@{mine.digest}", store), mine)


def test_nothing_for_this_architecture(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", index({f"linux/{OTHER}": image()}))

    with pytest.raises(ImageNotFound, match=f"no image for linux/{MACHINE}, only for .*{OTHER}"):
        pull(name, store)


@pytest.mark.parametrize("bearer", [True, False])
def test_a_login(registry: Registry, store: ImageStore, bearer: bool) -> None:
    registry.bearer, registry.login = bearer, "me:pass:word"
    name = registry.add("x:1", image())

    with pytest.raises(ImageDenied, match=r"without a login.*docker login.*REGISTRY_USERNAME"):
        pull(name, store)
    with pytest.raises(ImageDenied, match="refuses the user 'me' of a secret"):
        pull(name, store, settings(login=Login("me", "wrong", source="a secret")))
    pull(name, store, settings(login=Login("me", "pass:word")))


def test_a_token_without_a_login(registry: Registry, store: ImageStore) -> None:
    registry.bearer = True

    pull(registry.add("x:1", image({"a": b""}, {"b": b""})), store)

    assert registry.paths("/token") == ["/token?service=s&scope=repository%3Ax%3Apull"]


def test_a_token_that_expires_is_renewed(registry: Registry, store: ImageStore) -> None:
    registry.bearer = True
    name = registry.add("x:1", image())

    def expire(handler: Handler) -> bool:
        registry.tokens += 1
        return False

    registry.answers["/v2/x/blobs"] = times(1, expire)
    pull(name, store)
    assert len(registry.paths("/token")) == 2


def docker_config(folder: Path, content: dict[str, Any]) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(content))
    return {"DOCKER_CONFIG": str(folder)}


def helper(folder: Path, name: str, script: str) -> str:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return str(folder)


def test_logins_of_docker(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    registry.login = "me:pass"
    name = registry.add("x/y:1", image())
    auth = base64.b64encode(b"me:pass").decode()
    for key in (registry.host, f"http://{registry.host}/", f"{registry.host}/x"):
        environ = docker_config(tmp_path, {"auths": {key: {"auth": auth}, "other": {}}})
        pull(name, store, settings(environ))


def test_the_file_of_podman_comes_first(
    registry: Registry, store: ImageStore, tmp_path: Path
) -> None:
    registry.login = "me:pass"
    wrong = {"auths": {registry.host: {"auth": base64.b64encode(b"me:no").decode()}}}
    right = {"auths": {f"{registry.host}/x": {"auth": base64.b64encode(b"me:pass").decode()}}}
    (tmp_path / "auth.json").write_text(json.dumps(right))
    environ = docker_config(tmp_path, wrong)

    name = registry.add("x:1", image())
    with pytest.raises(ImageDenied, match=f"'me' of {tmp_path}/config.json"):
        pull(name, store, settings(environ))
    pull(name, store, settings({**environ, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}))


@pytest.mark.parametrize("every", [True, False])
def test_a_credential_helper(
    registry: Registry, store: ImageStore, tmp_path: Path, every: bool
) -> None:
    registry.login = "me:pass"
    name = registry.add("x:1", image())
    login = '{"Username": "me", "Secret": "pass"}'
    script = f"read key; [ $key = {registry.host} ] && [ $1 = get ] && echo '{login}'"
    chosen = {"credsStore": "one"} if every else {"credHelpers": {registry.host: "one"}}
    path = f"{helper(tmp_path, 'one', script)}:/usr/bin:/bin"

    pull(name, store, settings({**docker_config(tmp_path, chosen), "PATH": path}))


def test_an_identity_token(registry: Registry, store: ImageStore, tmp_path: Path) -> None:
    registry.login, registry.bearer = "me:pass", True
    name = registry.add("x:1", image())
    script = 'echo \'{"Username": "<token>", "Secret": "identity"}\''
    path = f"{helper(tmp_path, 'one', script)}:/usr/bin:/bin"
    config = docker_config(tmp_path, {"credsStore": "one"})

    pull(name, store, settings({**config, "PATH": path}))

    (asked,) = [each for each in registry.asked if each.path == "/token"]
    assert (asked.method, b"grant_type=refresh_token" in asked.body) == ("POST", True)


@pytest.mark.parametrize(
    ("config", "script", "reason"),
    [
        ({"credsStore": "missing"}, "", "docker-credential-missing, which is not installed"),
        ({"credsStore": "../x"}, "", "is not the name of a program"),
        ({"credsStore": "one"}, "echo locked; exit 1", "docker-credential-one failed.*locked"),
        ({"credsStore": "one"}, "echo no; exit 0", "something else than a login"),
        ({"credsStore": "one"}, "echo credentials not found; exit 1", "without a login"),
        ({"auths": {"HOST": {"auth": "!"}}}, "", "login"),
        ({"auths": []}, "", "without a login"),
    ],
)
def test_logins_that_cannot_be_used(
    registry: Registry,
    store: ImageStore,
    tmp_path: Path,
    config: dict[str, Any],
    script: str,
    reason: str,
) -> None:
    registry.login = "me:pass"
    text = json.dumps(config).replace("HOST", registry.host)
    environ = docker_config(tmp_path, json.loads(text))
    environ["PATH"] = f"{helper(tmp_path, 'one', script)}:/usr/bin:/bin"

    with pytest.raises(ImageDenied, match=reason):
        pull(registry.add("x:1", image()), store, settings(environ))


def test_a_public_image_needs_no_usable_login(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())

    pull(name, store, settings({"REGISTRY_AUTH_FILE": "/dev/full"}))


# Redirects


def test_a_login_stays_with_its_host(registry: Registry, store: ImageStore) -> None:
    made = image()
    registry.login = "me:pass"
    with running() as storage:
        storage.add("x:1", made)
        target = f"http://localhost:{storage.port}"
        registry.answers["/v2/x/blobs"] = lambda handler: handler.reply(
            307, headers={"Location": f"{target}{handler.path}"}
        )
        pull(registry.add("x:1", made), store, settings(login=Login("me", "pass")))

        assert storage.asked
        assert not any("Authorization" in each.headers for each in storage.asked)
        assert any("Authorization" in each.headers for each in registry.asked)


def redirect(target: Registry) -> Answer:
    """To the same path of another registry."""
    return lambda handler: handler.reply(
        307, headers={"Location": f"http://localhost:{target.port}{handler.path}"}
    )


@pytest.mark.parametrize("kind", ["blobs", "manifests"])
def test_a_host_that_a_redirect_leads_to_gets_no_login(
    registry: Registry, store: ImageStore, kind: str
) -> None:
    with running() as other:
        wants = f'Bearer realm="http://localhost:{other.port}/token"'
        other.answers["/v2"] = always(401, WWW_Authenticate=wants)
        registry.answers[f"/v2/x/{kind}"] = redirect(other)

        with pytest.raises(RegistryUnreachable, match=f"localhost:{other.port}, which wants a"):
            pull(registry.add("x:1", image()), store, settings(login=Login("me", "pass")))

        assert other.paths("/token") == []
        assert not any("Authorization" in each.headers for each in other.asked)


def test_a_server_of_tokens_cannot_pass_an_identity_on(
    registry: Registry, store: ImageStore
) -> None:
    registry.login, registry.bearer = "me:pass", True
    with running() as other:
        registry.answers["/token"] = redirect(other)
        login = Login(identity_token="identity")

        with pytest.raises(RegistryUnreachable, match=f"localhost:{other.port}: it is not sent"):
            pull(registry.add("x:1", image()), store, settings(login=login))

        assert other.asked == []


def test_redirects_end(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    registry.answers["/v2/x/blobs"] = lambda handler: handler.reply(
        302, headers={"Location": handler.path}
    )

    with pytest.raises(RegistryUnreachable, match="redirects more than 5 times"):
        pull(name, store)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://registry.example.com/blob", "not encrypted.*PYTEST_SANDBOX_INSECURE_REGISTRIES"),
        ("file:///etc/passwd", "not an address of HTTP"),
        ("http://[::1/", "not an address of HTTP"),
        ("https://a b/", "not an address of HTTP"),
    ],
)
def test_redirects_to_nowhere(
    registry: Registry, store: ImageStore, target: str, reason: str
) -> None:
    name = registry.add("x:1", image())
    registry.answers["/v2/x/blobs"] = always(302, Location=target)

    with pytest.raises(RegistryUnreachable, match=reason):
        pull(name, store)


# Registries that are busy, or break off


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (429, {"Retry_After": "7"}, [7.0, 7.0]),
        (503, {}, [0.25, 0.5]),
        (429, {"Retry_After": "soon"}, [0.25, 0.5]),
    ],
)
def test_a_busy_registry_is_asked_again(
    registry: Registry,
    store: ImageStore,
    status: int,
    headers: Any,
    waited: list[float],
) -> None:
    name = registry.add("x:1", image())
    registry.answers["/v2/x/manifests"] = times(2, always(status, **headers))
    waits: list[float] = []

    pull(name, store, settings(wait=waits.append))

    assert waits == waited


def test_a_registry_that_is_always_busy(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    said = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
    registry.answers["/v2/x/manifests"] = always(429, said, Retry_After="3600")

    with pytest.raises(RegistryUnreachable, match=r"limits how often.*slow down.*log in"):
        pull(name, store)
    assert len(registry.asked) == 1

    registry.answers["/v2/x/manifests"] = always(500)
    with pytest.raises(RegistryUnreachable, match="answers with status 500"):
        pull(name, store)


def cut(at: int) -> Any:
    """An answer that breaks off."""

    def answer(handler: Handler) -> bool:
        made = handler.registry.images["x:1"]
        data = made.blobs[handler.path.rpartition("/")[2]]
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        if len(data) < 1000:
            return False
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        handler.wfile.write(data[start : start + at])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        return True

    return answer


LARGE = bytes(range(256)) * 20


def test_a_download_goes_on_where_it_broke_off(registry: Registry, store: ImageStore) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    name = registry.add("x:1", made)
    registry.answers["/v2/x/blobs"] = times(3, cut(1000))

    check(pull(name, store), made)

    ranges = [each.headers.get("Range") for each in registry.asked if made.layers[0] in each.path]
    assert ranges == [None, "bytes=1000-", "bytes=2000-"]


def test_a_registry_that_cannot_continue_begins_again(
    registry: Registry, store: ImageStore
) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    name = registry.add("x:1", made)

    def without_ranges(handler: Handler) -> bool:
        del handler.headers["Range"]
        return False

    registry.answers["/v2/x/blobs/" + made.layers[0]] = times(1, cut(1000))
    registry.answers["/v2/x/blobs"] = without_ranges

    check(pull(name, store), made)


def test_a_download_that_breaks_off_for_ever(registry: Registry, store: ImageStore) -> None:
    made = image({"large": LARGE}, compress=lambda data: data)
    registry.answers["/v2/x/blobs"] = cut(1)

    with pytest.raises(RegistryUnreachable, match="cannot be reached: "):
        pull(registry.add("x:1", made), store)
    assert not store.has_blob(made.layers[0])
    assert len(registry.paths(made.layers[0])) == 5


def test_a_registry_that_is_not_there(store: ImageStore) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{taken.getsockname()[1]}/x:1"
        with pytest.raises(
            RegistryUnreachable, match=r"127.0.0.1:\d+/x:1: the registry .*cannot be reached.*proxy"
        ):
            pull(name, store)


def test_a_registry_that_does_not_answer(store: ImageStore) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        name = f"127.0.0.1:{silent.getsockname()[1]}/x:1"
        with pytest.raises(RegistryUnreachable, match="timed out"):
            pull(name, store, settings(timeout=0.05))


@pytest.mark.parametrize("path", ["manifests", "blobs"])
def test_a_registry_that_sends_a_byte_now_and_then(
    registry: Registry, store: ImageStore, path: str
) -> None:
    def drip(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.005)

    made = image({"large": LARGE}, compress=lambda data: data)
    registry.answers[f"/v2/x/{path}"] = drip if path == "manifests" else drip_layer(made, drip)

    with pytest.raises(RegistryUnreachable, match=r"bytes in 0 seconds"):
        pull(registry.add("x:1", made), store, settings(timeout=0.05))


def drip_layer(made: Made, drip: Any) -> Any:
    return lambda handler: handler.path.endswith(made.layers[0]) and drip(handler)


# Registries that lie


@pytest.mark.parametrize(
    ("path", "answer", "error", "reason"),
    [
        ("manifests", always(404), ImageNotFound, "has none"),
        ("manifests", always(403), ImageDenied, "without a login"),
        ("manifests", always(200, b"<html>"), DamagedImage, "not JSON"),
        ("manifests", always(200, b"[" * 99999), DamagedImage, "not JSON"),
        ("manifests", always(200, b"{}"), DamagedImage, "neither an image nor an index"),
        ("manifests", always(200, b'{"schemaVersion": 1}'), DamagedImage, "first format"),
        ("manifests", always(200, b" " * (5 << 20)), ImageTooLarge, "without an end"),
        (
            "manifests",
            always(200, b"{}", Docker_Content_Digest=digest(b"x")),
            DamagedImage,
            "something else",
        ),
        (
            "manifests",
            always(200, json.dumps({"manifests": [{}] * 1001}).encode()),
            ImageTooLarge,
            "1001 manifests",
        ),
        (
            "manifests",
            always(200, json.dumps({"layers": [{}] * 128, "config": {}}).encode()),
            ImageTooLarge,
            "128 layers",
        ),
        ("manifests", always(401, WWW_Authenticate="Basic"), ImageDenied, "without a login"),
        ("manifests", always(401), ImageDenied, "without a login"),
        (
            "manifests",
            always(401, WWW_Authenticate='Bearer realm="file:///x"'),
            RegistryUnreachable,
            "not an address of HTTP",
        ),
        (
            "manifests",
            always(401, WWW_Authenticate='Bearer realm="http://169.254.169.254/latest"'),
            RegistryUnreachable,
            "not encrypted",
        ),
        ("blobs", always(404), ImageNotFound, "has none"),
        ("blobs", always(200, b""), DamagedImage, "0 bytes, not"),
        ("blobs", always(200, b"x"), DamagedImage, "1 bytes, not"),
        ("blobs", always(200, b"x" * 9999), DamagedImage, "9999 bytes, not"),
        ("blobs", always(206, b"x", Content_Range="bytes 7-8/9"), DamagedImage, "1 bytes, not"),
    ],
)
def test_lies(
    registry: Registry, store: ImageStore, path: str, answer: Any, error: Any, reason: str
) -> None:
    name = registry.add("x:1", image())
    registry.answers[f"/v2/x/{path}"] = answer

    with pytest.raises(error, match=reason) as caught:
        pull(name, store)

    assert name in str(caught.value)
    assert len(registry.asked) < 20
    assert store.tags() == {}


def test_a_layer_with_another_digest(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"})
    name = registry.add("x:1", made)
    size = len(made.blobs[made.layers[0]])
    registry.answers[f"/v2/x/blobs/{made.layers[0]}"] = always(200, b"x" * size)

    with pytest.raises(DamagedImage, match=f"{made.layers[0]} came with the digest sha256:"):
        pull(name, store)
    assert not store.has_blob(made.layers[0])


def test_a_layer_without_an_end(registry: Registry, store: ImageStore) -> None:
    made = image({"a": b"1"})
    name = registry.add("x:1", made)

    def endless(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    registry.answers[f"/v2/x/blobs/{made.layers[0]}"] = endless
    with pytest.raises(DamagedImage, match="more came"):
        pull(name, store)


def test_a_login_that_is_asked_for_again_and_again(registry: Registry, store: ImageStore) -> None:
    registry.answers["/v2"] = always(
        401, WWW_Authenticate=f'Bearer realm="http://{registry.host}/token"'
    )

    with pytest.raises(ImageDenied):
        pull(registry.add("x:1", image()), store)

    assert len(registry.paths("/token")) == 1


def test_an_image_that_is_larger_than_the_store(registry: Registry, tmp_path: Path) -> None:
    name = registry.add("x:1", image({"a": LARGE}, compress=lambda data: data))
    store = ImageStore(tmp_path / "small", limit=4000)

    with pytest.raises(ImageTooLarge, match="PYTEST_SANDBOX_IMAGES_SIZE"):
        pull(name, store)
    assert not any(path for path in registry.paths("blobs") if "layer" in path)
    store.close()


def test_a_pull_can_be_stopped(registry: Registry, store: ImageStore) -> None:
    name = registry.add("x:1", image())
    puller = Puller(parse_reference(name), store, settings())
    found = puller.resolve()

    def stop(handler: Handler) -> bool:
        puller.stop()
        return False

    registry.answers["/v2/x/blobs"] = stop

    with pytest.raises(PullInterrupted):
        puller.download(found)
    registry.answers.clear()
    puller.download(found)
    assert puller.missing(found) == []


def test_a_proxy_of_the_environment(
    registry: Registry, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that no resolver has, over plain HTTP, which the setting allows."""
    made = image()
    registry.add("x:1", made)
    monkeypatch.setenv("http_proxy", f"http://me:secret@{registry.host}")
    strip = len("http://registry.invalid:80")

    def as_proxy(handler: Handler) -> bool:
        assert handler.headers["Proxy-Authorization"].startswith("Basic ")
        handler.path = handler.path[strip:]
        return False

    registry.answers["http://registry.invalid:80/"] = as_proxy
    check(pull("registry.invalid:80/x:1", store, settings(insecure=["registry.invalid:80"])), made)


def test_a_registry_with_a_certificate_of_its_own(
    store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made = image()
    with running(context) as registry:
        name = registry.add("x:1", made)
        with pytest.raises(RegistryUnreachable, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
            pull(name, store)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        check(pull(name, store), made)

        registry.add("y:1", image({"other": b""}))
        registry.answers["/v2/y/blobs"] = always(302, Location="http://registry.invalid/blob")
        with pytest.raises(RegistryUnreachable, match="which is not encrypted"):
            pull(f"{registry.host}/y:1", store)


def test_a_registry_that_says_400_is_not_taken_for_one_with_tls(
    registry: Registry, store: ImageStore
) -> None:
    registry.answers["/v2"] = always(400)

    with pytest.raises(RegistryUnreachable, match="answers with status 400"):
        pull(registry.add("x:1", image()), store)


def test_a_host_that_is_not_this_machine_must_speak_tls(store: ImageStore) -> None:
    with pytest.raises(RegistryUnreachable):
        pull("registry.invalid:5000/x:1", store)
