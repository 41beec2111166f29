"""The project under test in sandboxes: what shows, who asks for it, and hints at it."""

import subprocess
from pathlib import Path

import pytest

from pytest_sandbox._proto.inspector_pb2 import InspectorDescribeResponse, SandboxCommand
from pytest_sandbox.plugin.reports.import_hint import import_hint

TESTS = """
    import os
    from pathlib import Path

    import pytest
    from pytest_sandbox import Image, sandbox_template
    from pytest_sandbox.client.exceptions import InvalidError

    def files(sandbox, rootdir):
        return sandbox.run("find", str(rootdir), "-type", "f").stdout

    @pytest.mark.sandbox(project=True)
    def test_the_project_shows_as_the_working_directory(sandbox, pytestconfig):
        root = pytestconfig.rootpath
        assert sandbox.run("pwd").stdout == f"{root}\\n"
        found = {os.path.relpath(path, root) for path in files(sandbox, root).split()}
        found -= {"stdout", "stderr"}  # those of this run of pytest
        assert found == {".gitignore", "new.txt", "pkg/__init__.py", "test_it.py"}
        assert sandbox.run("python3", "-c", "import pkg; print(pkg.A)").stdout == "1\\n"

    @pytest.mark.sandbox(project=True)
    def test_changes_stay_inside(sandbox, pytestconfig):
        module = str(pytestconfig.rootpath / "pkg/__init__.py")
        sandbox.filesystem.write_text("A = 2\\n", module)
        sandbox.run("rm", "new.txt", check=True)
        sandbox.filesystem.write_text("mine", str(pytestconfig.rootpath / ".env"))
        assert (pytestconfig.rootpath / "pkg/__init__.py").read_text() == "A = 1\\n"
        assert (pytestconfig.rootpath / ".env").read_text() == "TOKEN=secret"

        copy = sandbox.snapshot_filesystem()
        assert (pytestconfig.rootpath / "new.txt").exists()
        sandbox.restore(copy)
        assert sandbox.filesystem.read_text(module) == "A = 2\\n"

    def test_other_sandboxes_do_not_show_it(sandbox, pytestconfig):
        assert sandbox.run("ls", "-d", str(pytestconfig.rootpath)).returncode != 0

    def test_a_factory_and_an_image_show_it(sandbox_factory, pytestconfig):
        for made in (
            sandbox_factory(project=True),
            sandbox_factory(image=Image.host(project=True)),
        ):
            assert "pkg" in files(made, pytestconfig.rootpath)
        snapshot = made.snapshot_filesystem()
        assert "pkg" in files(sandbox_factory(image=snapshot), pytestconfig.rootpath)
        with pytest.raises(InvalidError, match="project=True cannot change"):
            sandbox_factory(image=snapshot, project=True)

    @sandbox_template(scope="session", project=True)
    def prepared(sandbox):
        sandbox.run("sh", "-c", "echo built > built.txt", check=True)

    def test_copies_of_a_template_show_it(prepared, pytestconfig):
        assert prepared.run("cat", "built.txt", "new.txt").stdout == "built\\nnew\\n"
        assert not (pytestconfig.rootpath / "built.txt").exists()
"""


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project under git."""
    root = pytester.path
    monkeypatch.setenv("HOME", "/root")  # pytester's is the project, and no home is shown
    (root / "pkg").mkdir()
    (root / "pkg" / "__init__.py").write_text("A = 1\n")
    (root / "new.txt").write_text("new\n")
    (root / ".env").write_text("TOKEN=secret")
    (root / "build").mkdir()
    (root / "build" / "out").write_text("ignored")
    (root / ".gitignore").write_text("build/\n__pycache__/\n.pytest_cache/\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def test_the_project_shows_where_it_is_asked_for(
    pytester: pytest.Pytester, repository: Path
) -> None:
    pytester.makepyfile(test_it=TESTS)
    pytester.runpytest_subprocess("-v").assert_outcomes(passed=5)


def test_the_ini_file_asks_for_all_sandboxes_of_the_local_engine(
    pytester: pytest.Pytester, repository: Path
) -> None:
    pytester.makeini("[pytest]\nsandbox_project = true")
    pytester.makepyfile(
        """
        import pytest

        def test_it_shows(sandbox):
            assert "pkg" in sandbox.run("ls").stdout

        @pytest.mark.sandbox(project=False)
        def test_it_does_not(sandbox):
            assert "pkg" not in sandbox.run("ls").stdout

        def test_in_memory_nothing_of_the_machine_shows(fake_sandboxes, sandbox):
            assert "pkg" not in sandbox.run("ls").stdout
        """
    )
    pytester.runpytest_subprocess("-v").assert_outcomes(passed=3)


def test_the_engine_in_memory_refuses_to_show_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sandbox(project=True)
        def test_it(fake_sandboxes, sandbox):
            pass
        """
    )
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*project: the engine 'fake' cannot show it here: it has no files*")


@pytest.mark.usefixtures("shared_engine")
def test_a_failing_import_hints_at_the_project(pytester: pytest.Pytester, repository: Path) -> None:
    pytester.makepyfile(
        """
        def test_it(sandbox):
            sandbox.run("python3", "-c", "import pkg.inner", check=True)
        """
    )
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        ["*hint for module 'pkg'*", "pkg is in */pkg, which sandboxes do not show.*project=True*"]
    )


@pytest.mark.usefixtures("shared_engine")
def test_a_stored_template_with_the_project_needs_a_key(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_sandbox import sandbox_template

        @sandbox_template(project=True, cache=True)
        def prepared(sandbox):
            pass

        def test_it(prepared):
            pass
        """
    )
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*project=True shows files that change from run to run*cache_key=*")


def described(stderr: bytes, returncode: int = 1) -> InspectorDescribeResponse:
    command = SandboxCommand(argv=["python3"], stderr_tail=stderr, returncode=returncode)
    return InspectorDescribeResponse(commands=[command])


def hints(tmp_path: Path, stderr: bytes, returncode: int = 1) -> list[tuple[str, str]]:
    return list(import_hint([described(stderr, returncode)], tmp_path))


def test_modules_of_rootdir_and_of_other_places_are_hinted_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "src" / "mine").mkdir(parents=True)
    other.mkdir()
    (other / "somewhere_else.py").write_text("")
    monkeypatch.syspath_prepend(str(other))
    ((title, text),) = hints(root, b"ModuleNotFoundError: No module named 'mine.part'\n")
    assert title == "hint for module 'mine'"
    assert "project=True" in text
    assert f"PYTHONPATH={root}/src" in text
    ((_, text),) = hints(root, b"ModuleNotFoundError: No module named 'somewhere_else'\n")
    assert f"from {other}/somewhere_else.py" in text


@pytest.mark.parametrize(
    ("stderr", "returncode"),
    [
        (b"ModuleNotFoundError: No module named 'pytest'", 1),
        (b"ModuleNotFoundError: No module named 'no_such_module_at_all'", 1),
        (b"ModuleNotFoundError: No module named '../../etc'", 1),
        (b"ModuleNotFoundError: No module named 'mine'", 0),
        (b"ImportError: cannot import name 'x' from 'mine'", 1),
    ],
)
def test_nothing_is_hinted_at_otherwise(tmp_path: Path, stderr: bytes, returncode: int) -> None:
    (tmp_path / "mine.py").write_text("")
    assert hints(tmp_path, stderr, returncode) == []
