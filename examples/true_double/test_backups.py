"""Tests in memory, and one that says whether they can be believed."""

import gzip

import pytest
from backups import broken
from doubles import gzip_test

from pytest_sandbox import Sandbox
from pytest_sandbox.fakes import ANY
from pytest_sandbox.inmemory import FakeSandboxes
from pytest_sandbox.plugin import Parity

WHOLE = gzip.compress(b"some text\n" * 100, mtime=0)
CONTENTS = {
    "whole": WHOLE,
    "cut off": WHOLE[:20],
    "damaged": WHOLE[:-8] + bytes(4) + WHOLE[-4:],  # its checksum
    "text": b"no archive at all\n",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize_engines("local", "fake")
def test_the_double_says_what_gzip_says(
    sandbox: Sandbox, fake_sandboxes: FakeSandboxes | None, parity: Parity, content: str
) -> None:
    if fake_sandboxes is not None:
        fake_sandboxes.on_exec("gzip", "--test", ANY).calls(gzip_test)
    sandbox.filesystem.write_bytes(CONTENTS[content], "/srv/a.gz")

    done = sandbox.run("gzip", "--test", "/srv/a.gz")

    said = {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    parity.match("gzip --test", said)


def test_broken_archives_are_named_with_the_reason(fake_sandboxes: FakeSandboxes) -> None:
    fake_sandboxes.on_exec("gzip", "--test", ANY).calls(gzip_test)
    machine = Sandbox.create()
    for name, content in CONTENTS.items():
        machine.filesystem.write_bytes(content, f"/srv/backups/{name}.gz")

    assert broken(machine, "/srv/backups") == {
        "cut off.gz": "unexpected end of file",
        "damaged.gz": "invalid compressed data--crc error",
        "text.gz": "not in gzip format",
    }


def test_gzip_has_no_memory(fake_sandboxes: FakeSandboxes) -> None:
    """What no test wants to bring about on a real machine."""
    fake_sandboxes.on_exec("gzip", "--test", ANY).reply(stderr="\ngzip: out of memory\n", code=1)
    machine = Sandbox.create()
    machine.filesystem.write_bytes(WHOLE, "/srv/backups/a.gz")

    assert broken(machine, "/srv/backups") == {"a.gz": "out of memory"}
