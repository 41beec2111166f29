"""`pytest-sandbox doctor --engine modal`: whether sandboxes work in Modal's cloud, step by step."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_sandbox._run import EngineStartError, Run
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE
from pytest_sandbox.engine import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox.client import Client, Sandbox

#: Seconds that the sandbox of the checkup may live, if nothing can end it.
_LIFETIME = 600
_TEXT = "pytest-sandbox"


@dataclass(frozen=True)
class CheckedStep:
    """One step.

    Attributes:
        name: what was tried.
        seconds: that it took.
        result: what it showed; the error if it failed.
        remedy: what to do about the error, if that is known.
        ok: whether it worked.
    """

    name: str
    seconds: float
    result: str
    remedy: str = ""
    ok: bool = True


class CloudCheckup:
    """Tries the steps, each of which needs those before it.

    Args:
        tell: called with each step when it is done.

    Attributes:
        steps: those that were tried.
    """

    def __init__(self, tell: Callable[[CheckedStep], None]) -> None:
        self._tell = tell
        self.steps: list[CheckedStep] = []
        self._run: Run | None = None
        self._client: Client | None = None
        self._sandbox: Sandbox | None = None

    @property
    def usable(self) -> bool:
        """Whether all of them worked."""
        return all(step.ok for step in self.steps)

    def go(self) -> None:
        """Try all steps until one fails, and clean up."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("credentials", _credentials),
            ("Modal's servers", self._start),
            ("an image", self._image),
            ("a sandbox", self._create),
            ("a command", self._command),
            ("files", self._files),
            ("the main process", self._main_process),
        ]
        try:
            for name, step in steps:
                if not self._try(name, step):
                    break
        finally:
            if self._sandbox is not None:
                self._try("its end", self._end)
            if self._run is not None:
                self._try("clean-up", self._close)

    def _try(self, name: str, step: Callable[[], str]) -> bool:
        from pytest_sandbox.client.exceptions import Error

        began = time.monotonic()
        try:
            result = step()
        except (EngineStartError, EngineUnavailable) as error:
            done = CheckedStep(name, time.monotonic() - began, error.reason, error.remedy, ok=False)
        except (Error, AssertionError, OSError) as error:
            words = f"{type(error).__name__}: {error}"
            done = CheckedStep(name, time.monotonic() - began, words, ok=False)
        else:
            done = CheckedStep(name, time.monotonic() - began, result)
        self.steps.append(done)
        self._tell(done)
        return done.ok

    def _start(self) -> str:
        from pytest_sandbox.client import Client

        self._run = Run.create()
        process = self._run.start(CLOUD_ENGINE, {"lifetime": str(_LIFETIME)})
        self._client = Client(process.socket, engine=CLOUD_ENGINE)
        return f"{process.engine['details']['server']} takes the token and the version"

    def _image(self) -> str:
        from pytest_sandbox.client import App, Image

        app = App.lookup("pytest-sandbox", create_if_missing=True, client=self._client)
        Image.debian_slim().build(app)
        return "Image.debian_slim(), built or found"

    def _create(self) -> str:
        from pytest_sandbox.client import Sandbox

        self._sandbox = Sandbox.create("cat", client=self._client, timeout=_LIFETIME)
        return self._sandbox.object_id

    def _command(self) -> str:
        """By the command router, which is another server than the one of the steps before."""
        done = self._known.run("echo", _TEXT)
        assert done.stdout == f"{_TEXT}\n", f"echo wrote {done.stdout!r}"
        return "written, read and waited for, by the command router"

    def _files(self) -> str:
        self._known.filesystem.write_text(_TEXT, "/tmp/pytest-sandbox/file")
        found = self._known.filesystem.read_text("/tmp/pytest-sandbox/file")
        assert found == _TEXT, f"the file has {found!r}"
        return "written and read"

    def _main_process(self) -> str:
        sandbox = self._known
        sandbox.stdin.write(_TEXT)
        sandbox.stdin.write_eof()
        sandbox.stdin.drain()
        sandbox.wait()
        found = sandbox.stdout.read()
        assert found == _TEXT, f"cat wrote {found!r}"
        return f"read its input, wrote its output, and ended with code {sandbox.returncode}"

    def _end(self) -> str:
        code = self._known.terminate(wait=True)
        return f"ended with code {code}"

    def _close(self) -> str:
        assert self._run is not None
        if self._client is not None:
            self._client.close()
        self._run.close()
        if not self.usable:
            return (
                f"the run has ended; if it left a sandbox, that ends after {_LIFETIME} s, or by "
                "`pytest-sandbox prune --engine modal`"
            )
        return "no sandbox is left"

    @property
    def _known(self) -> Sandbox:
        assert self._sandbox is not None
        return self._sandbox


def check_cloud(*, as_json: bool) -> int:
    """Check, and print each step.

    Args:
        as_json: print one JSON object at the end instead.

    Returns:
        The exit status: 0 if sandboxes work there.
    """

    def tell(step: CheckedStep) -> None:
        if not as_json:
            mark = "ok  " if step.ok else "FAIL"
            print(f"{mark} {step.seconds:7.3f} s  {step.name}: {step.result}", flush=True)
            if step.remedy:
                print(f"                what to do: {step.remedy}", flush=True)

    checkup = CloudCheckup(tell)
    checkup.go()
    if as_json:
        said: dict[str, Any] = {
            "engine": CLOUD_ENGINE,
            "usable": checkup.usable,
            "steps": [asdict(step) for step in checkup.steps],
        }
        print(json.dumps(said, indent=2))
    return 0 if checkup.usable else 1


def _credentials() -> str:
    from pytest_sandbox.cloud import read_settings

    found = read_settings(os.environ)
    return f"{found.who} from {found.source}, with modal {found.version}"
