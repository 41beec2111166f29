"""What would run where: the listing of `--collect-only`, and the summary of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .leases import PROPERTY
from .marker import misspelt_kinds, wanted_gpus
from .options import gpu_settings
from .tested import gpus_of_sandboxes, is_simulated, takes_sandbox
from .usage import UNMARKED, UNUSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .marker import GpusWanted


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> list[str]:
    """With `--collect-only`, what each test that needs GPUs would get."""
    if not config.option.collectonly:
        return []
    return [f"gpu: {item.nodeid}: {plan}" for item in items if (plan := _plan(item))]


def _plan(item: pytest.Item) -> str:
    """What a test needs and would get; empty if it needs no GPUs."""
    try:
        wanted = wanted_gpus(item) or gpus_of_sandboxes(item)
        return "" if wanted is None else f"needs {wanted}: {_would(item, wanted)}"
    except (ValueError, pytest.fail.Exception) as error:  # a marker of it is invalid
        return f"would fail: {error}"


def _would(item: pytest.Item, wanted: GpusWanted) -> str:
    settings = gpu_settings(item.config)
    where = "in its sandbox" if takes_sandbox(item) else "in the process of pytest"
    if is_simulated(item):
        plan = _with_simulated(item, wanted, where)
    else:
        plan = _with_real(wanted, where, required=settings.mode == "require")
    return f"skipped by {settings}; else it {plan}" if settings.mode == "skip" else plan


def _with_simulated(item: pytest.Item, wanted: GpusWanted, where: str) -> str:
    try:
        from .simulated import simulated_devices

        _, devices = simulated_devices(item, wanted)
    except ValueError as error:
        return f"would fail: {error}"
    return f"would run {where} with simulated {', '.join(device.name for device in devices)}"


def _with_real(wanted: GpusWanted, where: str, *, required: bool) -> str:
    from pytest_sandbox.gpus import GpusUnavailable, matching_devices, missing, this_machine

    there: list[str] = []
    try:
        machine = this_machine()
        there = [device.name for device in machine.devices]
        reason = missing(machine, wanted.requests, wanted.memory)
    except GpusUnavailable as error:
        reason = f"this machine has none: {error}"
    if reason:
        fails = required or misspelt_kinds(wanted, there)
        return f"would {'fail' if fails else 'be skipped'}: {reason}"
    count, devices = matching_devices(machine, wanted.requests, wanted.memory)
    names = ", ".join(map(str, devices))
    some = f"{count} of " if len(devices) > count else ""
    return f"would run {where} on {some}{names}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many tests had GPUs, and which of them outside of a sandbox."""
    lines = [*_summary(terminalreporter)]
    if lines:
        terminalreporter.section("GPUs")
        for line in lines:
            terminalreporter.line(line)


def _summary(reporter: Any) -> Iterator[str]:
    told = _told(reporter, PROPERTY)
    outside = [f"{test}: {text}" for test, text in told.items() if text.endswith("of pytest")]
    if inside := len(told) - len(outside):
        yield f"{inside} with GPUs in a sandbox"
    yield from outside
    for name in (UNUSED, UNMARKED):
        yield from (f"{test} {text}" for test, text in _told(reporter, name).items())


def _told(reporter: Any, name: str) -> dict[str, str]:
    """What the reports of tests say under a name."""
    return {
        report.nodeid: text
        for outcome in ("passed", "failed", "error", "xfailed", "xpassed")
        for report in reporter.stats.get(outcome, ())
        for key, text in getattr(report, "user_properties", ())
        if key == name
    }
