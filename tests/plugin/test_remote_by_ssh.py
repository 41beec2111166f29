"""An engine that ssh starts: here, by the sshd of Debian on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = "/usr/sbin/sshd"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sshd lets in nobody else"),
    pytest.mark.skipif(not os.path.exists(SSHD), reason="needs sshd"),
]
#: What users have in their path.
PROGRAM = Path(sys.executable).parent / "pytest-sandbox"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an `ssh` for which `box` is this machine, where root gets in with a key."""
    folder = tmp_path_factory.mktemp("ssh")
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    port = free_port()
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd gives up its rights
    (folder / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPermitRootLogin yes\nUsePAM no\n"
    )
    (folder / "config").write_text(
        f"Host box\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {folder}/user\n"
        f" UserKnownHostsFile {folder}/known\n StrictHostKeyChecking accept-new\n LogLevel ERROR\n"
    )
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    with subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(folder / "sshd.conf")], stderr=subprocess.PIPE, text=True
    ) as sshd:
        assert sshd.stderr is not None
        said = sshd.stderr.readline()
        assert "listening" in said, said
        yield folder
        sshd.kill()


@pytest.fixture
def with_ssh(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(box), prepend=os.pathsep)


def far_processes() -> bool:
    # Of this environment: other runs may be on this machine.
    found = subprocess.run(["pgrep", "-f", f"{PROGRAM} serve --stdio"], check=False)
    return found.returncode == 0


@pytest.mark.usefixtures("with_ssh")
def test_tests_run_over_ssh_and_leave_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_commands_and_files(sandbox):
            sandbox.filesystem.write_text("hello", "/root/file")
            assert sandbox.run("cat", "/root/file").stdout == "hello"

        def test_much_output(sandbox):
            assert len(sandbox.run("head", "-c", "3000000", "/dev/zero").stdout) == 3_000_000
        """
    )
    result = pytester.runpytest(f"--sandbox-engine=ssh://box?program={PROGRAM}")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("sandbox: ssh://box (option --sandbox-engine), * processors*")
    assert not far_processes()


@pytest.mark.usefixtures("with_ssh")
@pytest.mark.parametrize(
    ("engine", "why"),
    [
        ("ssh://box?program=/nowhere/pytest-sandbox", "*Install pytest-sandbox there*"),
        ("ssh://nobody@box", "*Permission denied*"),
        ("ssh://nowhere.invalid", "*Could not resolve hostname nowhere.invalid*"),
    ],
)
def test_what_ssh_says_is_shown(pytester: pytest.Pytester, engine: str, why: str) -> None:
    pytester.makepyfile("def test(sandbox): pass")
    result = pytester.runpytest(f"--sandbox-engine={engine}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([why, "*Does `ssh * true` work?*" if "Install" not in why else "*"])
