"""What the local engine found out about a machine, for people to read."""

from __future__ import annotations

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that the local engine needs or can use.

    Attributes:
        name: what was looked at, `"mode: rootless, single id"`.
        ok: whether it is as the engine wants it.
        detail: what was found, or the kernel's error.
        consequence: what does not work if it is not.
        remedy: the command that mends it, or `""` if there is none.
    """

    name: str
    ok: bool
    detail: str
    consequence: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, and the mode that the engine would use.

    Attributes:
        findings: in the order in which they are shown.
        mode: `EngineInfo.mode` here, or `None` if the engine cannot run.
        advice: what to do if it cannot, in lines; those that begin with `sudo ` are commands.
    """

    findings: tuple[Finding, ...]
    mode: str | None
    advice: str = ""

    @property
    def usable(self) -> bool:
        """Whether the local engine runs here."""
        return self.mode is not None
