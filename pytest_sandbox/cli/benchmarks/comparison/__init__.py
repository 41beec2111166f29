"""`pytest-sandbox bench --compare`: the figures of this version beside those of another one.

Each version is measured by a process of its own with its own Python. Both run the figures of this
version (`worker`), which use what the package offers. The cycles of a figure are divided into
blocks; the two processes take turns block by block, and the other one waits meanwhile. So the ups
and downs of the machine are in both, and the ratio (`ratio`) is steadier than the figures. All that
is done in rounds, each with new processes, since two processes of one version differ too.
"""

from .compare import ROUNDS as ROUNDS
from .compare import compare as compare
from .environment import Environment as Environment
from .environment import NoEnvironment as NoEnvironment
from .environment import find_environment as find_environment
from .environment import own_environment as own_environment
from .measured_version import MeasuredVersion as MeasuredVersion
from .measured_version import VersionFailed as VersionFailed
from .report import render_comparison as render_comparison

__all__ = [
    "ROUNDS",
    "Environment",
    "MeasuredVersion",
    "NoEnvironment",
    "VersionFailed",
    "compare",
    "find_environment",
    "own_environment",
    "render_comparison",
]
