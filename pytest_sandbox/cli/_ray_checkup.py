"""What `pytest-sandbox doctor` says of a cluster of Ray before it tries a sandbox there."""

from __future__ import annotations

import asyncio
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pytest_sandbox._shared.install_command import install_command
from pytest_sandbox.cluster import examined_cluster
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.local import Finding, Report

if TYPE_CHECKING:
    from pytest_sandbox.cluster import ExaminedNode

#: The oldest version of Ray that places by the ids of nodes, and the newest that was tried.
OLDEST, NEWEST = (2, 49), (2, 60)


def examined_ray(address: str) -> Report:
    """Whether a cluster of Ray can be used, and what its nodes have.

    Args:
        address: `"ray"`, or `"ray://HOST:PORT"`.
    """
    package = _package()
    if not package.ok:
        return Report((package,), None)
    try:
        cluster = asyncio.run(examined_cluster(address))
    except EngineUnavailable as error:
        finding = Finding("cluster of Ray", False, error.reason, "", error.remedy)
        return Report((package, finding), None)
    nodes = [_node(each) for each in cluster.nodes]
    return Report((package, Finding("cluster of Ray", True, cluster.where), *nodes), "")


def _package() -> Finding:
    name = "package ray"
    try:
        found = version("ray")
    except PackageNotFoundError:
        return Finding(name, False, "it is not installed", "", install_command("ray"))
    oldest, newest = (".".join(map(str, each)) for each in (OLDEST, NEWEST))
    known = re.match(r"(\d+)\.(\d+)", found)
    number = (int(known[1]), int(known[2])) if known else OLDEST
    if number < OLDEST:
        return Finding(name, False, f"{found}; {oldest} is needed", "", install_command("ray"))
    untried = f"; {newest} is the newest that was tried" if number > NEWEST or not known else ""
    return Finding(name, True, f"{found}; all nodes need it, and the same Python{untried}")


def _node(node: ExaminedNode) -> Finding:
    name = f"node {node.name}"
    if node.engine:
        return Finding(name, True, "\n".join((f"{node.resources}; {node.engine}", *node.missing)))
    return Finding(
        name,
        False,
        f"{node.resources}; it has no engine: {'; '.join(node.missing)}",
        "no sandbox is on this node",
        "Is this version of pytest-sandbox installed there, for the Python of Ray? "
        "`pytest-sandbox doctor` says there what is missing.",
    )
