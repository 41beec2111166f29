"""Commands in sandboxes."""

from ..process.container_process import ContainerProcess as ContainerProcess
