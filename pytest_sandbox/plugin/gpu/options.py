"""The option `--gpu`, and how long tests wait for GPUs that others have."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pytest_sandbox._shared.suggestions import did_you_mean

_MODES = ("auto", "skip", "require", "fake")


class GpuSettings(NamedTuple):
    """What a run does with tests that need GPUs.

    Attributes:
        mode: `"auto"`, `"skip"`, `"require"` or `"fake"`.
        source: where that was chosen.
        wait: seconds that a test waits for GPUs that others have.
        strict: whether a test fails that does not use its GPUs, or uses some without asking.
    """

    mode: str
    source: str
    wait: float
    strict: bool

    def __str__(self) -> str:
        """As reports name it: `--gpu=skip`."""
        return f"--gpu={self.mode}" if self.source == "option" else f"gpu = {self.mode}"


_SETTINGS = pytest.StashKey[GpuSettings]()


# Not in pytest_configure, which `pytest --help` calls too: help must work on a broken setting.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse invalid settings before any test runs."""
    gpu_settings(session.config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """The mode, unless it is the default one."""
    settings = gpu_settings(config)
    return None if settings.source == "default" else f"gpu: {settings.mode} ({settings.source})"


def gpu_settings(config: pytest.Config) -> GpuSettings:
    """The settings of a run.

    Raises:
        pytest.UsageError: they are invalid.
    """
    if _SETTINGS not in config.stash:
        mode, source = _with_source(config, "gpu", "auto")
        if mode not in _MODES:
            known = did_you_mean(mode, _MODES) or f"there are {', '.join(_MODES)}"
            raise pytest.UsageError(f"the GPU mode {mode!r} ({source} gpu) does not exist; {known}")
        config.stash[_SETTINGS] = GpuSettings(mode, source, _wait(config), _strict(config))
    return config.stash[_SETTINGS]


def _wait(config: pytest.Config) -> float:
    text, source = _with_source(config, "gpu_wait", "600")
    try:
        wait = float(text)
    except ValueError:
        wait = -1.0
    if not 0 <= wait < float("inf"):
        raise pytest.UsageError(
            f"gpu wait ({source}) must be a number of seconds of at least 0, got {text!r}"
        )
    return wait


def _strict(config: pytest.Config) -> bool:
    if config.getoption("gpu_strict"):
        return True
    try:
        return bool(config.getini("gpu_strict"))
    except (ValueError, TypeError, pytest.UsageError) as error:
        raise pytest.UsageError(f"ini gpu_strict: {error}") from None


def _with_source(config: pytest.Config, name: str, default: str) -> tuple[str, str]:
    if given := config.getoption(name):
        return str(given), "option"
    if given := config.getini(name):
        return str(given), "ini"
    return default, "default"
