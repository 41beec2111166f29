"""The examples in the docstrings of the installed client, run as they are.

Of the modules that are about sandboxes: all examples there but those in `NOT_RUN`, each with the
reason. `docs/modal.md` lists these too.
"""

import ast
import io
import os
import re
import textwrap
from datetime import datetime, timedelta
from pathlib import Path

import modal
import pytest
from modal.types import FileWatchEventType

#: Modules, by what their paths begin with.
MODULES = (
    "_environments.py",
    "_image.py",
    "_logs_manager.py",
    "exception.py",
    "file_pattern_matcher.py",
    "io_streams.py",
    "sandbox/",
    "secret.py",
    "volume.py",
)
BLOCK = re.compile(r"^( *)```py(?:thon)?\b[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)

FUNCTION = "is about functions"
AWAITS = "awaits what the client's blocking interface returns at once"
PLACEHOLDER = "has placeholders or variables that are not there"
PACKAGES = "installs packages, or uses what it has not built"
#: What does not run, by the end of its name, with the reason.
NOT_RUN = {
    "EnvironmentRolesManager.list": "environments here have no members",
    "EnvironmentRolesManager.update": "environments here have no members",
    "Image.build[0]": PACKAGES,
    "Image.build[1]": PACKAGES,
    "Image.run_function": PLACEHOLDER,
    "Image.publish": PACKAGES,
    "AppLogsManager.stream": "goes on as long as the app does",
    "Volume.batch_upload": PLACEHOLDER,
    "Sandbox._experimental_stats": PLACEHOLDER,
    "Sandbox.snapshot_directory": PLACEHOLDER,
    "Sandbox.mount_image": PLACEHOLDER,
    "simulate_preemption": FUNCTION,
}


if os.environ.get("ENGINE") == "fake":
    SERVER = "starts a server of Python, for which the engine in memory needs a script"
    NOT_RUN |= {"Probe": SERVER, "Sandbox.wait_until_ready": SERVER}


def examples():
    """Name and code of each."""
    root = Path(modal.__file__).parent
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root).as_posix()
        if module.startswith(MODULES):
            yield from of_node(ast.parse(path.read_text()), "")


def of_node(node, name):
    for number, found in enumerate(BLOCK.finditer(ast.get_docstring(node) or "")):
        yield f"{name}[{number}]", textwrap.dedent(found[2])
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = child.name if name else child.name.removeprefix("_")
            yield from of_node(child, f"{name}.{inner}".removeprefix("."))


def reason(name, code):
    """Why one does not run; empty if it does."""
    if re.search(r"\.function\(|modal\.(Function|Server)\b", code):
        return FUNCTION
    if re.search(r"^ *await |= await |async with|assert await", code, re.MULTILINE):
        return AWAITS
    for end, why in NOT_RUN.items():
        if re.fullmatch(rf"{re.escape(end)}(\[\d+\])?", name):
            return why
    return ""


EXAMPLES = list(examples())
RUN = [(name, code) for name, code in EXAMPLES if not reason(name, code)]


@pytest.fixture(scope="module")
def prepared(app, tmp_path_factory):
    """What the examples take for granted."""
    for name in ("dev", "prod"):
        modal.Environment.objects.create(name)
    own = modal.App.lookup("my-app", create_if_missing=True)
    named = modal.Sandbox.create("sh", "-c", "echo hi; sleep 600", app=own, name="sandbox")
    with modal.Volume.from_name("my-modal-volume", create_if_missing=True).batch_upload() as batch:
        batch.put_file(io.BytesIO(b"x"), "/bar/example.txt")
        batch.put_file(io.BytesIO(b"x" * 1024 * 1024), "/1mb.csv")
    sandbox = modal.Sandbox.create("sleep", "600", app=app)
    cat = modal.Sandbox.create("cat", app=app)
    image = modal.Image.debian_slim().build(app)
    sidecars = [
        cat._experimental_sidecars.create(name=name, image=image) for name in ("one", "two")
    ]
    for sidecar in sidecars:
        sidecar.filesystem.make_directory("/workspace")
    sandbox.filesystem.make_directory("/tmp/foo")
    finishes = "while true; do touch /tmp/foo/a.done; rm /tmp/foo/a.done; sleep 0.2; done"
    sandbox.exec("sh", "-c", finishes)
    before = Path.cwd()
    folder = tmp_path_factory.mktemp("examples")
    os.chdir(folder)
    (folder / "local-path.txt").write_text("local")
    yield {
        "modal": modal,
        "app": app,
        "sandbox": sandbox,
        "contents": {"A": "b"},
        "datetime": datetime,
        "timedelta": timedelta,
        "io": io,
        "image": image,
        "local_path": "local-path.txt",
        "writer": cat.stdin,
        "data": "some data",
        "sidecar_1": sidecars[0],
        "sidecar_2": sidecars[1],
        "FileWatchEventType": FileWatchEventType,
    }
    os.chdir(before)
    for each in (named, sandbox, cat):
        each.terminate()


@pytest.mark.parametrize(("name", "code"), RUN, ids=[name for name, _ in RUN])
def test_an_example_runs(prepared, name, code):
    exec(compile(code, name, "exec"), dict(prepared))


def test_what_does_not_run_is_there():
    names = {name.partition("[")[0] for name, _ in EXAMPLES}
    assert {end.partition("[")[0] for end in NOT_RUN} - names == set()
    assert len(RUN) > 40
