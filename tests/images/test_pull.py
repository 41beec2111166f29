"""Images are pulled from registries: which layers, by which way, and over TLS."""

import ssl
from pathlib import Path

import pytest
import trustme

from pytest_sandbox.images import (
    ImageNotFound,
    ImageStore,
    RegistryUnreachable,
    parse_reference,
)
from pytest_sandbox.images.registry import Puller

from .made import MACHINE, OTHER, image, index
from .pulling import check, pull, settings
from .registry import Handler, Registry, always, running


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


@pytest.mark.parametrize(
    "proxy", ["http://some:p4ss/word@host:3128", "http://some:p4ss@[::1", "socks5://some:p4ss@host"]
)
def test_a_proxy_that_cannot_be_used(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """Nothing of its password is shown, which may stand where a port is looked for."""
    monkeypatch.setenv("https_proxy", proxy)

    with pytest.raises(
        RegistryUnreachable, match="the proxy of the environment for http"
    ) as caught:
        pull("registry.invalid/x:1", store)
    assert "p4ss" not in str(caught.value)


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
