"""The checks of `pytest-sandbox doctor`, and their result as text."""

import platform
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pytest_sandbox._run import EngineStartError, Run
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.exceptions import Error
from pytest_sandbox.local import Finding, Report

_PACKAGES = ("pytest-sandbox", "pytest", "grpclib", "protobuf")
#: Packages that may be missing.
_OPTIONAL = ("modal", "pytest-xdist", "ray", "trustme")
_NARROWEST, _WIDEST = 60, 100
_NAME_WIDTH = 26
#: How each command begins that a finding advises; other advice is prose.
_COMMAND = "sudo "


@dataclass(frozen=True)
class Trial:
    """A sandbox that was created, used and ended through the whole stack.

    Attributes:
        ok: whether all steps worked.
        detail: what failed.
        remedy: what to do about it; empty if that is unknown.
        milliseconds: the duration of each step.
        no_images: why images of registries cannot be run; empty if they can, or it was not tried.
        mode: of the engine that was started.
        machine: what the machine is on which sandboxes run, if that is another one.
    """

    ok: bool
    detail: str
    remedy: str
    milliseconds: dict[str, float]
    no_images: str = ""
    mode: str = ""
    machine: str = ""


#: What there is to find of the engine in memory.
IN_MEMORY = Report(
    (
        Finding("machine", True, "it needs nothing of the machine: no Linux, no root, no GPU"),
        Finding("programs", True, "it imitates a shell and its usual programs, and runs no others"),
    ),
    "",
)
#: Where no mode of the engine works.
NOT_TRIED = Trial(False, "not tried", "", {})


@dataclass(frozen=True)
class Checkup:
    """The result of all checks.

    Attributes:
        versions: name to version.
        report: what was found before a sandbox was tried.
        trial: the result of using a sandbox.
        images: what is stored of images of registries.
        engine: `"local"`, `"process"`, `"fake"`, `"ray"`, or where the other machine is.
    """

    versions: dict[str, str]
    report: Report
    trial: Trial
    images: str = ""
    engine: str = "local"

    @property
    def usable(self) -> bool:
        """Whether sandboxes work there."""
        return self.report.usable and self.trial.ok

    @property
    def mode(self) -> str | None:
        """How sandboxes are made; `None` if they are not."""
        return self.report.mode or self.trial.mode or None

    @property
    def place(self) -> str:
        """Where sandboxes are, as a sentence ends with it."""
        if "://" in self.engine:
            return f"at {self.engine}"
        return "on the cluster of Ray" if self.engine == "ray" else "here"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "usable": self.usable,
            "engine": self.engine,
            "mode": self.mode,
            "versions": self.versions,
            "findings": [asdict(finding) for finding in self.report.findings],
            "advice": self.report.advice,
            "trial": asdict(self.trial),
            "images": self.images,
        }


def versions() -> dict[str, str]:
    """The versions to state in a bug report."""
    found = {
        "python": f"{platform.python_version()} ({sys.executable})",
        "kernel": f"{platform.release()} {platform.machine()}",
    }
    found |= {package: _version(package) or "not found" for package in _PACKAGES}
    return found | {package: text for package in _OPTIONAL if (text := _version(package))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def trial(engine: str = "local") -> Trial:
    """Create a sandbox, run a command in it, and end it.

    Args:
        engine: the name of the engine, or its address.
    """
    steps: dict[str, float] = {}
    about: Mapping[str, Any] = {}
    run = Run.create()
    try:
        with _Step(steps, "engine start"):
            started = run.start(engine)
            client = Client(started.socket)
        about = started.engine
        with _Step(steps, "create"):
            sandbox = Sandbox.create(client=client)
        with _Step(steps, "exec"):
            process = sandbox.exec("echo", "hello")
            output, code = process.stdout.read(), process.wait()
        with _Step(steps, "terminate"):
            sandbox.terminate()
        client.close()
    except EngineStartError as error:
        return Trial(False, error.reason, error.remedy, steps)
    except Error as error:
        return Trial(False, f"{type(error).__name__}: {error}", "", steps)
    finally:
        with _Step(steps, "engine end"):
            run.close()
    if (output, code) != ("hello\n", 0):
        return Trial(False, f"echo hello wrote {output!r} and exited with {code}", "", steps)
    details = about["details"]
    no_images, machine = details.get("no image", ""), details.get("machine", "")
    return Trial(True, "", "", steps, no_images, about["mode"], machine)


class _Step:
    """Times one step."""

    def __init__(self, steps: dict[str, float], name: str) -> None:
        self._steps = steps
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._steps[self._name] = round((time.perf_counter() - self._start) * 1000, 1)


def render(checkup: Checkup) -> str:
    """The result as text for people."""
    lines = [f"{name:{_NAME_WIDTH}} {text}" for name, text in checkup.versions.items()] + [""]
    # Where sandboxes work, nothing that was found is in their way.
    wrong = "--" if checkup.report.usable else "no"
    for finding in checkup.report.findings:
        lines += _finding(finding, wrong)
    if checkup.trial.machine:
        lines += _line("ok", "machine of sandboxes", checkup.trial.machine)
    lines += ["", *_trial(checkup.trial), *_images(checkup)]
    return "\n".join([*lines, "", *_verdict(checkup)])


def _finding(finding: Finding, wrong: str) -> Iterator[str]:
    yield from _line("ok" if finding.ok else wrong, finding.name, finding.detail)
    if not finding.ok:
        yield from _more(finding.consequence, finding.remedy)


def _trial(trial: Trial) -> Iterator[str]:
    steps = ", ".join(f"{name} {ms:g} ms" for name, ms in trial.milliseconds.items())
    yield from _line(
        "ok" if trial.ok else "no", "a sandbox, end to end", steps if trial.ok else trial.detail
    )
    if not trial.ok:
        yield from _more("", trial.remedy)


def _images(checkup: Checkup) -> Iterator[str]:
    refused = checkup.trial.no_images
    if checkup.trial.ok and (refused or checkup.images):
        mark = "--" if refused else "ok"
        yield from _line(mark, "images of registries", refused or checkup.images)


def _line(mark: str, name: str, detail: str) -> Iterator[str]:
    head = f"{mark:4}{name}"
    first, *rest = _wrapped(detail) or [""]
    if len(head) > _NAME_WIDTH:
        yield head
        head = ""
    yield f"{head:{_NAME_WIDTH}} {first}".rstrip()
    yield from (f"{'':{_NAME_WIDTH}} {line}" for line in rest)


def _more(consequence: str, remedy: str) -> Iterator[str]:
    yield from (f"{'':{_NAME_WIDTH}} {line}" for line in _wrapped(consequence))
    for line in remedy.splitlines():
        # A command is not wrapped, so that it can be copied.
        shown = [f"$ {line}"] if line.startswith(_COMMAND) else _wrapped(line)
        yield from (f"{'':{_NAME_WIDTH}} {part}" for part in shown)


def _wrapped(text: str) -> list[str]:
    columns = shutil.get_terminal_size().columns
    wrapper = textwrap.TextWrapper(
        min(max(columns, _NARROWEST), _WIDEST) - _NAME_WIDTH - 1, break_on_hyphens=False
    )
    return [line for part in text.splitlines() for line in wrapper.wrap(part)]


def _verdict(checkup: Checkup) -> Iterator[str]:
    if checkup.usable:
        yield f"Sandboxes work {checkup.place}: {checkup.mode}."
        return
    yield f"Sandboxes do not work {checkup.place}."
    if checkup.report.advice:
        yield "What to do:"
        for line in checkup.report.advice.splitlines():
            yield f"    $ {line}" if line.startswith(_COMMAND) else f"    {line}"
    if checkup.engine == "local":
        yield "Without isolation, see above: pytest --sandbox-engine=process"
