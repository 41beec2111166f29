"""One engine of several machines: what runs where, and what they share.

A placer knows the machines, its nodes, and says on which one a sandbox is to be. Each node has an
engine of its own. `on_ray/` is a placer for clusters of Ray.
"""

from .engine import ClusterEngine as ClusterEngine
from .on_ray.examined import ExaminedCluster as ExaminedCluster
from .on_ray.examined import ExaminedNode as ExaminedNode
from .on_ray.examined import examined_cluster as examined_cluster
from .on_ray.placer import RayPlacer as RayPlacer
from .placer import Node as Node
from .placer import NodesChanged as NodesChanged
from .placer import Placement as Placement
from .placer import Placer as Placer

__all__ = [
    "ClusterEngine",
    "ExaminedCluster",
    "ExaminedNode",
    "Node",
    "NodesChanged",
    "Placement",
    "Placer",
    "RayPlacer",
    "examined_cluster",
]
