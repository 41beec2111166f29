"""What `pytest-sandbox doctor` says of another machine before it tries a sandbox there."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.local import Finding, Report
from pytest_sandbox.remote import machine_of

if TYPE_CHECKING:
    from pytest_sandbox._shared.network.engine_address import RemoteAddress


def reached(address: RemoteAddress) -> Report:
    """Whether there is an engine at an address that serves this machine, and what it says."""
    try:
        machine = asyncio.run(machine_of(address))
    except EngineUnavailable as error:
        return Report((Finding("connection", False, error.reason, "", error.remedy),), None)
    proof = "ssh" if address.scheme == "ssh" else "token"
    return Report(
        (
            Finding("connection", True, _how(address)),
            Finding(f"{proof} and version", True, f"{version('pytest-sandbox')} at both ends"),
            Finding("processors and GPUs", True, machine),
        ),
        "",
    )


def _how(address: RemoteAddress) -> str:
    if address.scheme == "ssh":
        return f"ssh, which starts {address.program} there for each run"
    if address.scheme == "grpc":
        return "not encrypted, to the end of a tunnel on this machine"
    if address.fingerprint:
        return "TLS, and its certificate has the fingerprint of the address"
    return "TLS, and an authority that is known here has signed its certificate"
