"""The real clients give up soon when the machine of their sandboxes is gone, and show which it is.

They repeat a call that ends with UNAVAILABLE, a wait for a command without end.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.far_machine import far_machine
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

#: Before the path, it makes a machine on which the package for TLS is not installed.
WITHOUT_TLS = Path(__file__).parent / "without_tls"

PROGRAM = """
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import modal

#: Five seconds, and as many again for a machine that does much else.
SOON = 10.0


def error_of(call):
    begin = time.monotonic()
    try:
        result = call()
    except Exception as error:
        return str(error), time.monotonic() - begin
    return f"returned {result!r}", 0.0


app = modal.App.lookup("lost", create_if_missing=True)
sandbox = modal.Sandbox.create("sleep", "1000", app=app)
process, polled = (sandbox.exec("sleep", "1000") for _ in range(2))
under_way = {
    "process.wait": process.wait,
    "sandbox.wait": sandbox.wait,
    "sandbox.stdout": sandbox.stdout.read,
}
if "WITHOUT_ROUTER" not in os.environ:  # this release waits for ever, whatever the error of a read
    under_way["process.stdout"] = process.stdout.read
with ThreadPoolExecutor(len(under_way)) as threads:
    made = {name: threads.submit(error_of, call) for name, call in under_way.items()}
    assert sandbox.exec("true").wait() == 0
    assert polled.poll() is None
    assert sandbox.poll() is None
    os.kill(int(os.environ["FAR_PID"]), signal.SIGKILL)
    errors = {name: call.result() for name, call in made.items()}
later = {
    "process.poll": polled.poll,
    "process.wait": polled.wait,
    "sandbox.poll": sandbox.poll,
    "sandbox.wait": sandbox.wait,
    "exec": lambda: sandbox.exec("true"),
    "create": lambda: modal.Sandbox.create("true", app=app),
}
errors |= {f"later: {name}": error_of(call) for name, call in later.items()}

place = os.environ["FAR_PLACE"]
silent = {name: text for name, (text, _) in errors.items() if f"on {place} is gone" not in text}
assert silent == {}, silent
slow = {name: seconds for name, (_, seconds) in errors.items() if seconds > SOON}
assert slow == {}, slow
assert list(modal.Sandbox.list(app_id=app.app_id)) == []
sandbox.terminate()
"""


@pytest.mark.parametrize(
    ("version", "env"),
    [
        ("1.2.3", {}),
        ("1.2.3", {"PYTHONPATH": str(WITHOUT_TLS), "WITHOUT_ROUTER": "1"}),
        ("1.6.4", {}),
        ("1.6.4", {"MODAL_SANDBOX_V2": "0"}),
    ],
    ids=["1.2.3", "1.2.3 without TLS", "1.6.4", "1.6.4, first version"],
)
def test_a_real_client_is_told_that_the_machine_is_gone(
    pytestconfig: pytest.Config, version: str, env: dict[str, str]
) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, version)
    cli = (sys.executable, "-m", "pytest_sandbox.cli", "serve")
    with far_machine() as (address, pid):
        told = {"FAR_PID": str(pid), "FAR_PLACE": address.place}
        done = subprocess.run(
            [*cli, "--engine", address.whole, "--", str(python), "-c", PROGRAM],
            env={**os.environ, **told, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
