"""Logins of registries, and where they are not sent."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox.images import (
    ImageDenied,
    ImageStore,
    RegistryUnreachable,
)
from pytest_sandbox.images.registry import Login

from .made import image
from .pulling import pull, settings
from .registry import Answer, Handler, Registry, always, running, times


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
