"""Getting images from registries: the protocol of the distribution project, which OCI took over.

Only the standard library is used. Of libraries, `oras` has no code for images of files, and
`python-dxf` refuses manifests without `mediaType`, which OCI makes optional.
"""

from .login import Login as Login
from .pull import Puller as Puller
from .pull import PullInterrupted as PullInterrupted
from .repository import PullSettings as PullSettings

__all__ = ["Login", "PullInterrupted", "PullSettings", "Puller"]
