"""pip in a sandbox that reaches the package index, and nothing else."""

import os

import index
import pytest

from pytest_sandbox import CompletedCommand, Sandbox
from pytest_sandbox.plugin import SandboxFactory, SandboxNetworkLog

if reason := index.unreachable():
    pytest.skip(reason, allow_module_level=True)


def download(sandbox: Sandbox, package: str) -> CompletedCommand[str]:
    command = ["pip", "download", "--no-deps", "--dest", "/srv/packages", "--retries", "0"]
    if os.path.exists(index.CERTIFICATES):
        command += ["--cert", index.CERTIFICATES]
    return sandbox.run(*command, "--index-url", index.URL, package, timeout=60)


@pytest.fixture
def sandbox(sandbox_factory: SandboxFactory) -> Sandbox:
    """One that reaches the hosts of the index."""
    return sandbox_factory(
        outbound_domain_allowlist=index.HOSTS, cidr_allowlist=index.networks() or None
    )


def test_a_package_is_downloaded(sandbox: Sandbox, sandbox_network_log: SandboxNetworkLog) -> None:
    done = download(sandbox, "iniconfig")

    assert done.returncode == 0, done.stderr
    (file,) = sandbox.filesystem.list_files("/srv/packages")
    assert file.name.startswith("iniconfig-")
    assert {each.name for each in sandbox_network_log.connections()} == {*index.HOSTS}


@pytest.mark.skipif(index.HOSTS[0] != "pypi.org", reason="its files may be on the same host")
def test_without_the_host_of_its_files(
    sandbox_factory: SandboxFactory, sandbox_network_log: SandboxNetworkLog
) -> None:
    """The index says where a file is, and the sandbox does not get there."""
    sandbox = sandbox_factory(
        outbound_domain_allowlist=["pypi.org"], cidr_allowlist=index.networks() or None
    )

    assert download(sandbox, "iniconfig").returncode != 0
    denied = {each.name for each in sandbox_network_log.connections() if each.verdict == "denied"}
    assert denied == {"files.pythonhosted.org"}


def test_nothing_else_is_reached(sandbox: Sandbox) -> None:
    ask = "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)"
    done = sandbox.run("python3", "-c", ask)

    assert done.returncode != 0
    assert "Name or service not known" in done.stderr or "name resolution" in done.stderr
