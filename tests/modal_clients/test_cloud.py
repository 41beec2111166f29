"""The real client works with the server that plays Modal's cloud, so that is a fair stand-in."""

import subprocess
from dataclasses import replace

import pytest

from ..support.cloud import harsh, harsh_program, running
from .environments import python_environment

pytestmark = pytest.mark.timeout(300)  # the first test may have to install the client

PROGRAM = """
import runpy, sys
import modal

harsh = runpy.run_path(sys.argv[1])
assert harsh["program"](modal) == harsh["SEEN"]
"""


def test_the_real_client_lives_with_all_that_a_cloud_does(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    python = python_environment(pytestconfig.cache, "1.6.4")
    # It asks for another token if the refused one was to expire within 30 s.
    with running(replace(harsh.HARSH, router_token_lifetime=20)) as cloud:
        harsh.expire_tokens(cloud)
        done = subprocess.run(
            [str(python), "-c", PROGRAM, harsh_program.__file__],
            env=cloud.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert "ServerWarning: the café closes" in done.stderr
        assert cloud.plans_left == []
        assert len(cloud.app.state.sandboxes.all()) == 1
