"""The example of a cluster: its manifest is well formed, and its image runs sandboxes."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from tests.support.containers import LIMITS, ROOT, make_root, volumes
from tests.support.pods import patched, podman_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

jsonschema: Any = pytest.importorskip("jsonschema")  # neither has types
yaml: Any = pytest.importorskip("yaml")

EXAMPLE = ROOT / "examples" / "kubernetes"
README = (EXAMPLE / "README.md").read_text()
PODMAN = ["podman", "--runtime=runc"]  # crun: no cgroups v1


def needs_podman(test: Any) -> Any:
    """Mark a test that makes containers."""
    marked = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")(test)
    for program in ("podman", "runc"):
        marked = pytest.mark.skipif(not shutil.which(program), reason=f"needs {program}")(marked)
    return marked


def fields(**types: Any) -> dict[str, Any]:
    """The schema of an object with these fields at most."""
    return {"type": "object", "properties": types, "additionalProperties": False}


def lists(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


TEXT, NUMBER, SWITCH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
NAMED = fields(name=TEXT, namespace=TEXT, labels=TEXTS)
USERS = {"runAsUser": NUMBER, "runAsGroup": NUMBER, "runAsNonRoot": SWITCH}
PROFILE = fields(type=one_of("RuntimeDefault", "Localhost", "Unconfined"), localhostProfile=TEXT)
CONTAINER = fields(
    name=TEXT,
    image=TEXT,
    command=lists(TEXT),
    args=lists(TEXT),
    securityContext=fields(
        allowPrivilegeEscalation=SWITCH,
        readOnlyRootFilesystem=SWITCH,
        procMount=one_of("Default", "Unmasked"),
        capabilities=fields(add=lists(TEXT), drop=lists(TEXT)),
        seccompProfile=PROFILE,
        appArmorProfile=PROFILE,
    ),
    ports=lists(fields(name=TEXT, containerPort=NUMBER)),
    readinessProbe=fields(tcpSocket=fields(port=TEXT), periodSeconds=NUMBER),
    resources=fields(requests=TEXTS, limits=TEXTS),
    volumeMounts=lists(fields(name=TEXT, mountPath=TEXT, readOnly=SWITCH)),
)
POD = fields(
    hostUsers=SWITCH,
    automountServiceAccountToken=SWITCH,
    enableServiceLinks=SWITCH,
    terminationGracePeriodSeconds=NUMBER,
    securityContext=fields(**USERS, fsGroup=NUMBER),
    containers=lists(CONTAINER),
    volumes=lists(
        fields(
            name=TEXT,
            secret=fields(secretName=TEXT, defaultMode=NUMBER),
            emptyDir=fields(sizeLimit=TEXT, medium=one_of("Memory")),
        )
    ),
)
DEPLOYMENT = fields(
    replicas=NUMBER,
    strategy=fields(type=one_of("Recreate", "RollingUpdate")),
    selector=fields(matchLabels=TEXTS),
    template=fields(metadata=NAMED, spec=POD),
)
SERVICE = fields(
    selector=TEXTS,
    sessionAffinity=one_of("ClientIP", "None"),
    ports=lists(fields(name=TEXT, port=NUMBER, targetPort=TEXT)),
)
#: Those fields of Kubernetes 1.37 that the example uses. The packages that have the whole schema
#: are above 20 MB, which every installation of the tests would download.
SCHEMAS = {
    "Namespace": fields(apiVersion=one_of("v1"), kind=TEXT, metadata=NAMED),
    "Deployment": fields(apiVersion=one_of("apps/v1"), kind=TEXT, metadata=NAMED, spec=DEPLOYMENT),
    "Service": fields(apiVersion=one_of("v1"), kind=TEXT, metadata=NAMED, spec=SERVICE),
    "Secret": fields(
        apiVersion=one_of("v1"), kind=TEXT, metadata=NAMED, type=TEXT, stringData=TEXTS
    ),
}


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    """The documents of the manifest, by their kinds."""
    loaded = list(yaml.safe_load_all((EXAMPLE / "engine.yaml").read_text()))
    return {each["kind"]: each for each in loaded}


@pytest.fixture(scope="module")
def patch() -> Any:
    return yaml.safe_load((EXAMPLE / "root-patch.yaml").read_text())


@pytest.fixture(scope="module")
def pod(documents: dict[str, Any]) -> Any:
    return documents["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make_secret.py` has filled."""
    spec = importlib.util.spec_from_file_location("make_secret", EXAMPLE / "make_secret.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("made") / "secret"
    module.make("localhost", folder)
    return folder


@pytest.fixture
def secret(made: Path) -> Any:
    return json.loads((made / "secret.yaml").read_text())


def test_each_document_is_as_its_schema_says(
    documents: dict[str, Any], secret: Any, patch: Any
) -> None:
    documents = {**documents, "Secret": secret}
    assert set(documents) == set(SCHEMAS)
    for kind, document in documents.items():
        jsonschema.validate(document, SCHEMAS[kind])
    jsonschema.validate(patched(documents["Deployment"], patch), SCHEMAS["Deployment"])


def test_documents_refer_to_what_exists(documents: dict[str, Any], pod: Any, secret: Any) -> None:
    deployment, service = documents["Deployment"]["spec"], documents["Service"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert labels == service["selector"] == deployment["selector"]["matchLabels"]
    (container,) = pod["containers"]
    (port,), (served,) = container["ports"], service["ports"]
    assert port["name"] == served["targetPort"] == container["readinessProbe"]["tcpSocket"]["port"]
    assert f"--listen :{port['containerPort']}" in container["args"][0]
    names = {each["metadata"].get("namespace") for each in (documents["Service"], secret)}
    assert names == {documents["Namespace"]["metadata"]["name"]}
    mounted, _ = container["volumeMounts"]
    assert [each["name"] for each in pod["volumes"]] == [mounted["name"], "store"]
    assert pod["volumes"][0]["secret"]["secretName"] == secret["metadata"]["name"]
    words = container["args"][0].split()
    inside = f"{mounted['mountPath']}/"
    files = {word.removeprefix(inside) for word in words if word.startswith(inside)}
    assert files == set(secret["stringData"])


def test_kubernetes_accepts_the_settings_together(pod: Any, patch: Any) -> None:
    """What it checks besides the schema: `pkg/apis/core/validation` of its source."""
    for each in (pod, patched(pod, patch["spec"]["template"]["spec"])):
        (container,) = each["containers"]
        settings = container["securityContext"]
        assert settings["procMount"] == "Default" or each["hostUsers"] is False
        assert settings["allowPrivilegeEscalation"] or "SYS_ADMIN" not in str(settings)
        assert each["securityContext"]["runAsNonRoot"] == (each["securityContext"]["runAsUser"] > 0)


def test_the_document_says_what_each_restriction_is_for(pod: Any, patch: Any) -> None:
    (container,) = pod["containers"]
    for name in {**pod["securityContext"], **container["securityContext"], "hostUsers": False}:
        assert f"`{name}" in README
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    for name in container["securityContext"]["capabilities"]["add"]:
        assert f"`{name}`" in README


def test_new_secrets_never_replace_those_in_use(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE / "make_secret.py", "host", made],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "FileExistsError" in done.stderr
    assert made.stat().st_mode & 0o777 == 0o700


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the example's image, on a base with this Python instead of a registry's."""
    root = tmp_path_factory.mktemp("base")
    make_root(root)
    base, name = f"localhost/base-{os.getpid()}", f"localhost/engine-{os.getpid()}"
    path = f"ENV PATH={sys.prefix}/bin:/usr/bin:/bin"
    archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    with archive:
        options = ["--quiet", "--change", path]
        subprocess.run(["podman", "import", *options, "-", base], stdin=archive.stdout, check=True)
    try:
        build = ["build", "--quiet", "--layers=false", "--network=none", *volumes()]
        subprocess.run(
            [*PODMAN, *build, f"--build-arg=BASE={base}", f"--tag={name}", EXAMPLE], check=True
        )
        yield name
    finally:
        subprocess.run(["podman", "rmi", "--force", name, base], check=False)


def podman_run(pod: Any, image: str, made: Path, folder: Path) -> list[str]:
    """A command that runs the pod's container, without its own command, and as podman can.

    Args:
        pod: its `spec`.
        image: the name of the image.
        made: the folder with the secret.
        folder: made, with the files that the pod sees of it.
    """
    folder.mkdir()
    for name, text in json.loads((made / "secret.yaml").read_text())["stringData"].items():
        (folder / name).write_text(text)
    options = [*LIMITS, *volumes(), *podman_options(pod, folder)]
    return [*PODMAN, "run", "--rm", *options, "--entrypoint=sh", image, "-c"]


@contextmanager
def serving(command: list[str], pid_file: Path) -> Iterator[int]:
    """The process id of a container with an engine that can be reached; ended as a pod is.

    Args:
        command: that runs it.
        pid_file: which it writes.
    """
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "sandboxes as an engine at grpc+tls://" in said, said + process.stderr.read()
        number = int(pid_file.read_text())
        try:
            yield number
        finally:
            os.kill(number, signal.SIGTERM)
    assert process.returncode == 0


TESTS = """
def test_it(sandbox):
    sandbox.filesystem.write_text("hello", "/root/file")
    done = sandbox.run("sh", "-c", "cat /root/file; id -u; ls /etc/pytest-sandbox")
    assert (done.stdout, done.returncode) == ("hello0\\n", 2)
"""


@needs_podman
def test_tests_run_in_the_pod_by_its_address(
    pod: Any, image: str, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    address = (made / "address").read_text().strip()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_SANDBOX_ENGINE": address,
        "SSL_CERT_FILE": str(made / "authority.pem"),
    }
    pytest_command = ["-m", "pytest", "-p", "pytest_sandbox.plugin", "-p", "no:cacheprovider"]
    command = podman_run(pod, image, made, tmp_path / "secret")
    command.insert(command.index("run") + 1, f"--pidfile={tmp_path}/pid")
    (arguments,) = pod["containers"][0]["args"]
    with serving([*command, arguments], tmp_path / "pid") as process:
        subprocess.run(
            ["nsenter", "--net", f"--target={process}", sys.executable, *pytest_command],
            cwd=tmp_path,
            env=environment,
            check=False,
        )
    said = capfd.readouterr().out
    sys.stdout.write(said)
    assert "1 passed" in said
    assert RemoteAddress.parse(address).token not in said


@needs_podman
def test_root_of_the_pod_gives_sandboxes_several_users(
    pod: Any, patch: Any, image: str, made: Path, tmp_path: Path
) -> None:
    pod = patched(pod, patch["spec"]["template"]["spec"])
    command = [*podman_run(pod, image, made, tmp_path / "secret"), "pytest-sandbox doctor"]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    assert "Sandboxes work here: rootless, subordinate ids." in said
