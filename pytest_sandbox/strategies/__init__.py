"""Hypothesis strategies for sandboxes, and a machine that compares engines with a model.

It needs hypothesis, which the extra `hypothesis` of this package installs.

The strategies give valid values, as odd as valid values can be: a test that fails has found a bug.
`SandboxMachine` drives one or several engines and a simple model of a sandbox through the same
steps, and compares the answers.
"""

try:
    import hypothesis  # noqa: F401 - to say how to get it
except ImportError as error:
    from pytest_sandbox._shared.install_command import install_command

    raise ImportError(
        f"pytest_sandbox.strategies needs hypothesis: {install_command('hypothesis')}"
    ) from error

from ._commands import argv as argv
from ._commands import environments as environments
from ._commands import hostnames as hostnames
from ._commands import process_specs as process_specs
from ._commands import sandbox_options as sandbox_options
from ._commands import task_specs as task_specs
from ._commands import words as words
from ._faults import PlannedFault as PlannedFault
from ._faults import fault_plans as fault_plans
from ._machine import SandboxMachine as SandboxMachine
from ._machine import check_engines as check_engines
from ._paths import names as names
from ._paths import paths as paths
from ._streams import Stream as Stream
from ._streams import streams as streams
from ._trees import Link as Link
from ._trees import Tree as Tree
from ._trees import file_trees as file_trees
from ._trees import flattened as flattened
from ._trees import tar_of as tar_of

__all__ = [
    "Link",
    "PlannedFault",
    "SandboxMachine",
    "Stream",
    "Tree",
    "argv",
    "check_engines",
    "environments",
    "fault_plans",
    "file_trees",
    "flattened",
    "hostnames",
    "names",
    "paths",
    "process_specs",
    "sandbox_options",
    "streams",
    "tar_of",
    "task_specs",
    "words",
]
