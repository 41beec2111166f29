"""The program may look for newer versions. What else does it connect to?"""

from pathlib import Path

import pytest

from pytest_sandbox import Sandbox
from pytest_sandbox.plugin import SandboxNetworkLog

pytest_plugins = "pytester"

PROGRAM = Path(__file__).with_name("invoice.py")
LINES = "paper 3.50\nink 12\n"


@pytest.fixture
def total(sandbox: Sandbox) -> str:
    """What the program prints in a sandbox."""
    sandbox.filesystem.copy_from_local(PROGRAM, "/srv/invoice.py")
    return sandbox.run("python3", "/srv/invoice.py", input=LINES, check=True).stdout


def test_it_works_without_a_network(total: str) -> None:
    assert total == "15.5\n"


@pytest.mark.sandbox(outbound_domain_allowlist=["updates.vendor.example"])
def test_what_it_connects_to(total: str, sandbox_network_log: SandboxNetworkLog) -> None:
    denied = {each.name for each in sandbox_network_log.connections() if each.verdict == "denied"}

    assert denied == {"stats.vendor.example"}


NOBODY_ELSE = f"""
import pytest

@pytest.mark.sandbox(outbound_domain_allowlist=["updates.vendor.example"])
def test_it_asks_nobody_else(sandbox, sandbox_network_log):
    sandbox.filesystem.copy_from_local({str(PROGRAM)!r}, "/srv/invoice.py")
    sandbox.run("python3", "/srv/invoice.py", input="ink 12")

    assert not [each for each in sandbox_network_log.connections() if each.verdict == "denied"]
"""


def test_the_report_of_a_failure_names_the_host(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NOBODY_ELSE)

    result = pytester.runpytest()

    result.assert_outcomes(failed=1)
    report = result.stdout.str()
    assert "connection denied: the name stats.vendor.example" in report
    both = '["updates.vendor.example", "stats.vendor.example"]'
    assert f"what allows it: @pytest.mark.sandbox(outbound_domain_allowlist={both})" in report
