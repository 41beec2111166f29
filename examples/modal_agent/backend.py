"""Where an agent runs its commands: a sandbox at Modal for each task."""

from dataclasses import dataclass

import modal

IMAGE = modal.Image.debian_slim().env({"AGENT": "1"}).run_commands("mkdir -p /srv/repository")


@dataclass(frozen=True)
class Result:
    """What a command has printed, and how it ended."""

    output: str
    code: int


class ModalBackend:
    """A machine for one task, which Modal ends after `lifetime` seconds."""

    def __init__(self, *, lifetime: int = 1800) -> None:
        app = modal.App.lookup("agent", create_if_missing=True)
        self.sandbox = modal.Sandbox.create(
            app=app, image=IMAGE, timeout=lifetime, workdir="/srv/repository"
        )

    def run(self, command: str, *, timeout: int = 60) -> Result:
        """Run a command as a shell does; its output includes standard error."""
        process = self.sandbox.exec("sh", "-c", f"exec 2>&1\n{command}", timeout=timeout)
        output = process.stdout.read()
        return Result(output, process.wait())

    def write(self, path: str, text: str) -> None:
        """Write a file of the repository."""
        self.sandbox.filesystem.write_text(text, f"/srv/repository/{path}")

    def fork(self) -> "ModalBackend":
        """Another machine with the same files, to try something on."""
        copy = object.__new__(ModalBackend)
        app = modal.App.lookup("agent", create_if_missing=True)
        copy.sandbox = modal.Sandbox.create(
            app=app, image=self.sandbox.snapshot_filesystem(), workdir="/srv/repository"
        )
        return copy

    def close(self) -> None:
        """End the machine."""
        self.sandbox.terminate()
