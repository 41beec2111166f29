"""Sandboxes in tests with a fake file system of pyfakefs: those of the machine stay real."""

import pytest

USE = """
import pytest
from pytest_sandbox import Client, Sandbox, Volume

def use(sandbox):
    assert sandbox.run("echo", "hi").stdout == "hi\\n"
    sandbox.filesystem.write_text("x", "/f")
    assert sandbox.filesystem.read_text("/f") == "x"
    assert Sandbox.from_id(sandbox.object_id).poll() is None
    assert type(Client.default()) is Client
"""


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run tests in a fresh process, in which nothing is imported and no engine started yet."""
    pytester.makepyfile(USE + tests)
    return pytester.runpytest_subprocess("-p", "pyfakefs.pytest_plugin", *options)


@pytest.mark.parametrize(
    ("fixtures", "engine"),
    [
        ("fs, sandbox", "local"),
        ("sandbox, fs", "local"),
        ("fs_session, sandbox", "local"),
        ("fs, sandbox", "fake"),
    ],
)
def test_the_first_sandbox_of_a_run(pytester: pytest.Pytester, engine: str, fixtures: str) -> None:
    result = run(
        pytester,
        f"""
import os

@pytest.mark.parametrize("number", range(2))
def test_it({fixtures}, number):
    assert not os.path.exists("/usr/bin/env")
    use(sandbox)

def test_another(sandbox):
    use(sandbox)
""",
        f"--sandbox-engine={engine}",
    )

    result.assert_outcomes(passed=3)


def test_sandboxes_that_a_test_makes_itself_whichever_way_files_were_replaced(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
import os, unittest
from pyfakefs.fake_filesystem_unittest import Patcher, TestCaseMixin

def test_patcher():
    with Patcher():
        use(Sandbox.create())
        assert not os.path.exists("/usr/bin/env")
    assert os.path.exists("/usr/bin/env")
    use(Sandbox.create())

class TestUnittest(TestCaseMixin, unittest.TestCase):
    def setUp(self):
        self.setUpPyfakefs()

    def test_it(self):
        use(Sandbox.create())
""",
    )

    result.assert_outcomes(passed=2)


def test_snapshots_volumes_and_templates(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from pytest_sandbox import sandbox_template

@sandbox_template
def prepared(sandbox):
    sandbox.filesystem.write_text("prepared", "/f")

@sandbox_template(cache=True)
def cached(sandbox):
    sandbox.filesystem.write_text("cached", "/f")

def test_templates(fs, prepared, cached):
    assert prepared.filesystem.read_text("/f") == "prepared"
    assert cached.filesystem.read_text("/f") == "cached"

def test_snapshots(fs, sandbox_factory):
    volume = Volume.from_name("shared", create_if_missing=True)
    one = sandbox_factory(volumes={"/v": volume})
    one.filesystem.write_text("in the volume", "/v/f")
    two = sandbox_factory(volumes={"/v": volume}, image=one.snapshot_filesystem())
    assert two.filesystem.read_text("/v/f") == "in the volume"
    use(two)
""",
    )

    result.assert_outcomes(passed=2)


def test_much_output_in_memory_is_kept_in_a_real_file(pytester: pytest.Pytester) -> None:
    """A fake descriptor would be that of another, real file."""
    result = run(
        pytester,
        """
def test_it(fs, fake_sandboxes, sandbox):
    text = "0123456789" * 1_000_000
    sandbox.filesystem.write_text(text, "/f")
    process = sandbox.exec("cat", "/f")
    assert process.stdout.read() == text
""",
    )

    result.assert_outcomes(passed=1)


def test_single_files_are_fake_ones_and_directories_are_refused(
    pytester: pytest.Pytester,
) -> None:
    """Directories need descriptors: fake ones led to other files, and to a copy full of zeros."""
    result = run(
        pytester,
        """
import os
from pyfakefs.fake_filesystem_unittest import Pause
from pytest_sandbox import exceptions

def test_it(sandbox, tmp_path, fs):
    fs.create_file("/data/in", contents="fake")
    sandbox.filesystem.copy_from_local("/data/in", "/d/f")
    sandbox.filesystem.copy_to_local("/d/f", "/data/out")
    assert open("/data/out").read() == "fake"

    with pytest.raises(exceptions.InvalidError, match="Pause.*filesystem.copy_from_local"):
        sandbox.upload("/data", "/up")
    with pytest.raises(exceptions.InvalidError, match="Pause.*filesystem.copy_to_local"):
        sandbox.download("/d", "/down")

    with Pause(fs):
        sandbox.download("/d", tmp_path / "real")
        sandbox.upload(tmp_path / "real", "/up")
        assert (tmp_path / "real" / "f").read_text() == "fake"
    assert sandbox.filesystem.read_text("/up/f") == "fake"
    assert not os.path.exists(str(tmp_path / "real"))
""",
    )

    result.assert_outcomes(passed=1)


def test_the_death_of_the_engine_is_told_with_its_log(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import os, signal
from pytest_sandbox import exceptions

def test_it(sandbox, sandbox_engine, pytestconfig, fs):
    lines = []
    from pyfakefs.fake_filesystem_unittest import Pause
    with Pause(fs):
        folder = os.path.dirname(sandbox_engine.socket)
        with open(folder + "/server.log", "a") as log:
            log.write("the last words\\n")
        import json
        pid = json.loads(open(folder + "/start.lock").read())["ready"]["pid"]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(exceptions.EngineDiedError, match="the last words"):
        while True:
            sandbox.run("true")
""",
    )

    result.stdout.fnmatch_lines(["*1 passed*"])
