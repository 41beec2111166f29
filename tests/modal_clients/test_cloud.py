"""The real client works with the server that plays Modal's cloud, so that is a fair stand-in."""

import subprocess
from pathlib import Path

import pytest

from ..support.cloud import CloudOptions, Loss, RateLimit, running
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client


@pytest.fixture(scope="module")
def python(pytestconfig: pytest.Config) -> Path:
    """The Python of an environment with the client."""
    assert pytestconfig.cache is not None
    return python_environment(pytestconfig.cache, "1.6.4")


#: Needs all calls, and prints what may depend on how the cloud behaves.
PROGRAM = """
import modal

app = modal.App.lookup("cloud", create_if_missing=True)
hidden = modal.Secret.from_dict({"HIDDEN": "a"})
sandbox = modal.Sandbox.create("cat", app=app, secrets=[hidden], tags={"stage": "one"})
for words in ("echo $HIDDEN", "exit 3"):
    process = sandbox.exec("sh", "-c", words)
    print(process.stdout.read() + str(process.wait()))
sandbox.filesystem.write_text("x", "/tmp/x")
print(sandbox.filesystem.read_text("/tmp/x"))
sandbox.stdin.write("main")
sandbox.stdin.write_eof()
sandbox.stdin.drain()
sandbox.wait()
print(sandbox.stdout.read())
print([len(list(modal.Sandbox.list(app_id=app.app_id))) for _ in range(5)])
"""


def run(
    python: Path, program: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_that_a_cloud_does_at_once(python: Path) -> None:
    options = CloudOptions(
        auth_token_lifetime=0,
        leeway=60,
        router_token_lifetime=20,
        start_polls=2,
        router_refusals=1,
        list_delay=1,
        rate_limits={"SandboxCreateV2": RateLimit(2), "TaskExecStart": RateLimit(1)},
        api_losses=[
            Loss("AppGetOrCreate", how="goaway"),
            Loss("SandboxCreateV2", nth=3, carried_out=True),
        ],
        router_losses=[
            Loss("TaskExecStart", nth=3, how="goaway", carried_out=True),
            Loss("TaskExecStdioRead"),
            Loss("SandboxStdinWriteV2", how="goaway", carried_out=True),
        ],
        warnings={"SandboxCreateV2": "the café closes"},
    )
    with running(options) as cloud:
        cloud.hooks.at("TaskExecStart", 5, lambda: cloud.clock.advance(30))
        done = run(python, PROGRAM, cloud.environment())

        assert done.stdout.splitlines() == ["a", "0", "3", "x", "main", "[0, 1, 0, 0, 0]"], (
            done.stderr
        )
        assert "ServerWarning: the café closes" in done.stderr
        assert cloud.plans_left == []
        assert len(cloud.app.state.sandboxes.all()) == 1
