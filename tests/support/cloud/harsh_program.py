"""A program that comes to its end in a harsh cloud, with whatever client it is run."""

from typing import Any


def program(modal: Any) -> list[Any]:
    """Make all the calls that go wrong; returns what it has seen, which is `SEEN`."""
    app = modal.App.lookup("cloud", create_if_missing=True)
    hidden = modal.Secret.from_dict({"HIDDEN": "a"})
    sandbox = modal.Sandbox.create("cat", app=app, secrets=[hidden], tags={"stage": "one"})
    seen: list[Any] = []
    for words in ("echo $HIDDEN", "exit 3"):
        process = sandbox.exec("sh", "-c", words)
        seen.append((process.stdout.read(), process.wait()))
    sandbox.filesystem.write_text("x", "/tmp/x")
    seen.append(sandbox.filesystem.read_text("/tmp/x"))
    sandbox.stdin.write("main")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    sandbox.wait()
    seen.append(sandbox.stdout.read())
    listed = [len(list(modal.Sandbox.list(app_id=app.app_id))) for _ in range(5)]
    return [*seen, listed]


SEEN = [("a\n", 0), ("", 3), "x", "main", [0, 1, 0, 0, 0]]
