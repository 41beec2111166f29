"""The real, unmodified `modal` client works with our server.

The scenarios run under pytest in an environment of their own, through `pytest-sandbox serve`. A
test here runs several modules of them in one go, since a client takes seconds to start, and fails
with the reports of those that failed.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_sandbox import Client as SandboxClient
from pytest_sandbox import Faults, Rpcs
from pytest_sandbox._run import Run

from .environments import node_environment, python_environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCENARIOS = HERE / "scenarios"
NAMES = ROOT / "tests" / "unit" / "client" / "modal_names"
#: Before the path, it makes a machine on which the package for TLS is not installed.
WITHOUT_TLS = HERE / "without_tls"
#: Seconds that the scenarios of one client may take.
LONGEST = 400

pytestmark = pytest.mark.timeout(LONGEST + 120)  # the first test may have to install the client


@dataclass(frozen=True)
class Client:
    """A released client and how it is used.

    Attributes:
        name: for the names of tests.
        version: the release of `modal`; empty for the newest.
        modules: the scenarios that it runs.
        env: further environment, of the server and of the client.
        engine: that of the server.
    """

    name: str
    version: str
    modules: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    engine: str = "local"


#: Newer clients speak the second version of the sandbox API unless they are told otherwise.
FIRST_VERSION = (("MODAL_SANDBOX_V2", "0"),)
CLIENTS = (
    Client("1.2.3", "1.2.3", ("lives", "execs", "tunnels")),
    Client("1.2.3, files", "1.2.3", ("file_io", "snapshots", "volumes", "images", "memory")),
    Client("1.2.3 in memory", "1.2.3", ("snapshots", "volumes"), engine="fake"),
    # Without TLS for the command router, this client runs commands through the control plane.
    Client("1.2.3 without TLS", "1.2.3", ("execs",), env=(("PYTHONPATH", str(WITHOUT_TLS)),)),
    Client(
        "1.6.4",
        "1.6.4",
        ("lives", "execs", "tunnels", "inbound", "readiness", "second_version", "sidecars"),
    ),
    Client(
        "1.6.4, files",
        "1.6.4",
        ("filesystem", "snapshots", "directories", "volumes", "images", "memory", "docstrings"),
    ),
    Client(
        "1.6.4 in memory",
        "1.6.4",
        ("snapshots", "directories", "volumes", "second_version", "sidecars", "docstrings"),
        env=(("ENGINE", "fake"),),
        engine="fake",
    ),
    Client(
        "1.6.4, first version", "1.6.4", ("readiness", "sidecars", "compact"), env=FIRST_VERSION
    ),
    Client("1.1.4", "1.1.4", ("compact",)),
    Client("1.3.5", "1.3.5", ("compact",)),
    Client("1.4.3", "1.4.3", ("compact",)),
    Client("1.5.5", "1.5.5", ("compact",)),
    Client("1.5.5, second version", "1.5.5", ("compact",), env=(("MODAL_SANDBOX_V2", "1"),)),
    Client("the newest", "", ("compact",)),
)


@dataclass(frozen=True)
class Report:
    """What became of the scenarios of one client.

    Attributes:
        failures: name to what failed, empty for a pass.
        skips: name to the reason.
        output: all that was printed.
    """

    failures: dict[str, str]
    skips: dict[str, str]
    output: str


def scenarios(module: str) -> Iterator[str]:
    """The names of the scenarios in a module, which cannot be imported here."""
    for node in ast.parse((SCENARIOS / f"{module}.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{module}.{node.name.removeprefix('test_')}"


def standalone_python(folder: Path) -> None:
    """An interpreter of Python where uv would install it, as far as `add_python` needs it."""
    programs = folder / f"cpython-3.13.1-linux-{os.uname().machine}-gnu" / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").write_text("#!/bin/sh\necho standalone\n")
    (programs / "python3").chmod(0o755)
    (programs / "python").symlink_to("python3")


def run(client: Client, python: Path, junit: Path) -> Report:
    pythons = junit.parent / "pythons"
    standalone_python(pythons)
    serve = [sys.executable, "-m", "pytest_sandbox.cli", "serve", "--engine", client.engine]
    # Each step is done, whatever earlier runs have stored.
    serve += ["--engine-option", "layer_cache=off", "--"]
    plugins = ("-p", "no:cacheprovider", "-p", "pytest_timeout")
    options = (*plugins, "--timeout=60", f"--junitxml={junit}")
    files = [str(SCENARIOS / f"{module}.py") for module in client.modules]
    # Neither our settings nor anything of the caller's reaches the client's pytest.
    alone = ("-c", os.devnull, "--rootdir", str(SCENARIOS), "--confcutdir", str(SCENARIOS))
    its_pytest = (str(python), "-m", "pytest", *alone)
    done = subprocess.run(
        [*serve, *its_pytest, *options, *files],
        env={
            **os.environ,
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what others need of these environments
            "UV_PYTHON_INSTALL_DIR": str(pythons),
            **dict(client.env),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    failures = told_in(junit, ("failure", "error"), lambda part: part.text)
    skips = told_in(junit, ("skipped",), lambda part: part.get("message"))
    return Report(failures, skips, done.stdout)


def told_in(
    junit: Path, kinds: tuple[str, ...], tell: Callable[[ET.Element], str | None]
) -> dict[str, str]:
    """What is told of scenarios that came to one of these ends, by name; empty for others."""
    told: dict[str, str] = {}
    for case in ET.parse(junit).iter("testcase") if junit.exists() else ():
        module = str(case.get("classname")).rpartition(".")[2]
        scenario = str(case.get("name")).partition("[")[0].removeprefix("test_")
        texts = [tell(part) or "" for part in case if part.tag in kinds]
        name = f"{module}.{scenario}"
        told[name] = "\n".join([told.get(name, ""), *texts]).strip()
    return told


def installed(python: Path) -> str:
    """The release of `modal` in an environment."""
    (metadata,) = python.parents[1].glob("lib/python*/site-packages/modal-*.dist-info")
    return metadata.name.removeprefix("modal-").removesuffix(".dist-info")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_real_client(pytestconfig: pytest.Config, tmp_path: Path, client: Client) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, client.version)
    if not client.version and installed(python) in {each.version for each in CLIENTS}:
        return  # which runs by its number

    report = run(client, python, tmp_path / "junit.xml")

    wanted = {name for module in client.modules for name in scenarios(module)}
    assert report.failures.keys() == wanted, f"not all of them ran:\n{report.output}"
    failures = [f"{name}\n{text}" for name, text in report.failures.items() if text]
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)
    reasons = {reason for reason in report.skips.values() if reason}
    if reasons:
        skipped = [name for name, reason in report.skips.items() if reason]
        pytest.skip(f"{'; '.join(sorted(reasons))} ({', '.join(skipped)})")


def test_the_program_of_the_documents(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "modal.md").read_text()
    _, _, rest = document.partition("```python program.py\n")
    (tmp_path / "program.py").write_text(rest.partition("```")[0])
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, "1.2.3")

    serve = (sys.executable, "-m", "pytest_sandbox.cli", "serve", "--")
    subprocess.run([*serve, str(python), "program.py"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("version", ["1.2.3", "1.6.4"])
def test_the_names_that_our_client_is_compared_with(
    pytestconfig: pytest.Config, version: str
) -> None:
    """Those that are checked in are what the installed package says of itself."""
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, version)

    told = subprocess.run(
        [str(python), str(NAMES / "read_names.py")], capture_output=True, text=True, check=True
    )

    assert json.loads(told.stdout) == json.loads((NAMES / f"{version}.json").read_text())


#: Releases for JavaScript, the older one under a name of its own. What npm calls `modal` from 1.0
#: on is another project's.
JAVASCRIPT_PACKAGES = ("modal@0.11.1", "modal-0.9.0@npm:modal@0.9.0")


@pytest.mark.parametrize(
    ("package", "create", "ids", "engine", "pattern"),
    [
        ("modal", "create", "sb-01", "local", "."),
        ("modal", "create", "sb-01", "fake", "."),
        ("modal-0.9.0", "create", "sb-", "local", "."),
        # What this release has of the second version.
        ("modal-0.9.0", "experimentalCreate", "sb-01", "local", "command|files|terminated"),
    ],
)
def test_a_client_for_javascript(
    pytestconfig: pytest.Config, package: str, create: str, ids: str, engine: str, pattern: str
) -> None:
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("modal-javascript")
    found = node_environment(folder, JAVASCRIPT_PACKAGES)
    # Node.js looks for packages beside the program, not where it is called.
    program = folder / f"{package}-{create}-{engine}.mjs"
    text = (SCENARIOS / "javascript.mjs").read_text()
    program.write_text(text.replace('from "modal"', f'from "{package}"'))

    serve = (sys.executable, "-m", "pytest_sandbox.cli", "serve", "--engine", engine, "--")
    done = subprocess.run(
        [*serve, "node", f"--test-name-pattern={pattern}", program],
        env={**found, "CREATE": create, "SANDBOX_ID": ids},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def run_with_plugin(python: Path, folder: Path, *arguments: str) -> None:
    """Run the pytest of an environment with the plugin of this checkout."""
    (folder / "modal.toml").write_text('[default]\ntoken_id = "of-the-user"\n')
    # The metadata of an editable installation may be beside the package, or not.
    plugin = ("-p", "no:sandbox", "-p", "pytest_sandbox.plugin", "-p", "no:cacheprovider")
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", *plugin, "--timeout=60", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "",
            "MODAL_CONFIG_PATH": str(folder / "modal.toml"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)


@pytest.mark.parametrize(("version", "workers"), [("1.2.3", "0"), ("1.6.4", "2")])
def test_the_fixture(
    pytestconfig: pytest.Config, tmp_path: Path, version: str, workers: str
) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, version)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = --strict-markers\n"
    )

    (tmp_path / "presets.toml").write_text(
        '[proxies.egress]\n[environments.staging.secrets.credentials]\nTOKEN = "of-staging"\n'
    )
    shutil.copy(HERE / "with_plugin" / "modal_server.py", tmp_path / "test_modal_server.py")
    run_with_plugin(python, tmp_path, "-n", workers, "test_modal_server.py")


EXAMPLES = ("modal_agent", "code_interpreter")
#: Blocks of documents that are tests with `modal`.
BLOCK = re.compile(r"^```python modal/(test_\w+\.py)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_documents_and_examples(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, "1.6.4")
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for name, body in BLOCK.findall(document.read_text()):
            (tmp_path / name).write_text(body)
    for example in EXAMPLES:
        shutil.copytree(ROOT / "examples" / example, tmp_path / example)

    run_with_plugin(python, tmp_path, "-p", "no:asyncio", "--strict-markers", ".")


def test_the_documents_list_the_examples_of_docstrings_that_do_not_run() -> None:
    document = (ROOT / "docs" / "modal.md").read_text()
    for node in ast.parse((SCENARIOS / "docstrings.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NOT_RUN":
            assert isinstance(node.value, ast.Dict)
            names = [ast.literal_eval(key) for key in node.value.keys if key is not None]
    assert [name for name in names if f"`{name.partition('[')[0]}`" not in document] == []


DISTURBED = """
import modal

app = modal.App.lookup("disturbed", create_if_missing=True)
sandbox = modal.Sandbox.create("cat", app=app)
process = sandbox.exec("echo", "hello")
assert process.stdout.read() == "hello\\n"
assert process.wait() == 0
sandbox.stdin.write("to the main process\\n")
sandbox.stdin.write_eof()
sandbox.stdin.drain()
assert sandbox.stdout.read() == "to the main process\\n"
"""


@pytest.mark.parametrize(
    ("version", "creates", "reads", "writes"),
    [
        ("1.2.3", "SandboxCreate", "SandboxGetLogs", "SandboxStdinWrite"),
        ("1.6.4", "SandboxCreateV2", "SandboxStdioReadV2", "SandboxStdinWriteV2"),
    ],
)
def test_a_real_client_is_recorded_and_lives_with_faults(
    pytestconfig: pytest.Config, version: str, creates: str, reads: str, writes: str
) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, version)
    run = Run.create()
    try:
        server = run.start("local", tcp="127.0.0.1:0")
        inspector = SandboxClient(server.socket).inspector
        rpcs, faults = Rpcs(inspector), Faults(inspector)
        faults.on(creates).rate_limit(retry_after=0.05).times(5)
        faults.on(creates, nth=6).drop_response()
        faults.on("TaskExecStart").status("UNAVAILABLE").times(2)
        faults.on("TaskExecStdioRead").where(file_descriptor=0).cut_stream(after_bytes=3)
        faults.on(reads, nth=1).cut_stream(after_bytes=5)
        faults.on(writes, nth=1).drop_response()
        assert server.tcp is not None
        subprocess.run(
            [str(python), "-c", DISTURBED],
            env={
                **os.environ,
                "MODAL_SERVER_URL": server.tcp["url"],
                "MODAL_TOKEN_ID": server.tcp["token_id"],
                "MODAL_TOKEN_SECRET": server.tcp["token_secret"],
                "SSL_CERT_FILE": server.tcp["ca_file"] or "",
            },
            check=True,
            timeout=60,
        )
        assert faults.unfired() == []
        created = [call.status for call in rpcs.of(creates)]
        assert created == [*["RESOURCE_EXHAUSTED"] * 5, "CANCELLED", "OK"]
        first, second = list(rpcs.of(creates))[-2:]
        assert first.response.sandbox_id == second.response.sandbox_id
        assert server.tcp["token_secret"] not in rpcs.to_json()
    finally:
        run.close()
