"""Debian's `docker-registry` gives what `skopeo` has pushed into it."""

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.images import ImageDenied, ImageNotFound, ImageStore, parse_reference
from pytest_sandbox.images.registry import Puller, PullSettings

from .made import image, layout, saved

if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
    pytest.skip("needs docker-registry and skopeo", allow_module_level=True)

_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/passwords}}}}
"""
#: `me:secret`, by htpasswd(1) with bcrypt.
_PASSWORDS = "me:$2y$05$bplzhfP7tPGAgh1Jzo9xV.XMK9NEfRBWiAtpqtI73c20AP8mbMZ.i\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    (folder / "passwords").write_text(_PASSWORDS)
    environ = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None
                    time.sleep(0.02)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def push(source: str, host: str, name: str, *options: str) -> None:
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
    target = f"docker://{host}/{name}"
    done = subprocess.run(
        [*command, "--dest-creds=me:secret", *options, source, target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_skopeo_has_pushed(host: str, tmp_path: Path, store: ImageStore) -> None:
    made = image({"bin/a": b"1" * 5000}, {"b": b"2"}, config={"Env": ["A=1"], "Cmd": ["/bin/a"]})
    push(f"oci:{layout(tmp_path / 'layout', made)}", host, "team/oci:1")
    push(f"docker-archive:{saved(tmp_path / 'saved.tar', ('x:1', made))}", host, "docker:1")
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "config.json").write_text(f'{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}')
    settings = PullSettings({"DOCKER_CONFIG": str(tmp_path)}, timeout=10)

    for name in ("team/oci:1", "docker:1"):
        puller = Puller(parse_reference(f"{host}/{name}"), store, settings)
        found = puller.resolve()
        puller.download(found)
        assert [each.diff_id for each in found.layers] == made.diff_ids
        assert (dict(found.config.env), found.config.cmd) == ({"A": "1"}, ("/bin/a",))
        assert puller.missing(found) == []

    with pytest.raises(ImageNotFound, match="MANIFEST_UNKNOWN"):
        Puller(parse_reference(f"{host}/docker:2"), store, settings).resolve()
    with pytest.raises(ImageDenied, match="without a login"):
        Puller(parse_reference(f"{host}/docker:3"), store, PullSettings({"HOME": "/x"})).resolve()
