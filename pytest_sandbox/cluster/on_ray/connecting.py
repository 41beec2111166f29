"""Connects to a cluster of Ray, or starts one."""

from __future__ import annotations

import importlib
from typing import Any

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.engine import EngineUnavailable

NAMESPACE = "pytest-sandbox"


def connected(address: str) -> Any:
    """The module `ray`, connected to a cluster.

    Args:
        address: of the cluster, `ray://HOST:PORT`; `"ray"` for the one that `RAY_ADDRESS` names or
            this machine belongs to, and if there is none, for one that is started here.

    Raises:
        EngineUnavailable: it cannot be used; with what Ray says.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise EngineUnavailable(
            f"the engine {address!r} needs the package ray: {error}", install_command("ray")
        ) from error
    quiet = {"namespace": NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if ray.is_initialized():
        return ray
    try:
        if address != "ray":
            ray.init(address, **quiet)
            return ray
        try:
            ray.init("auto", **quiet)
        except ConnectionError:  # this machine belongs to none
            ray.init(**quiet, include_dashboard=False)
    except Exception as error:  # Ray raises many kinds
        raise EngineUnavailable(
            f"the Ray cluster {address} cannot be used: {error}",
            "Is it running, and has it the same version of Ray and Python?",
        ) from error
    return ray
