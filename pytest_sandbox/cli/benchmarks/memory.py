"""Memory of the machine and of processes, as the kernel counts it."""

from pathlib import Path


def available_bytes() -> int:
    """Memory that is available to programs (`MemAvailable`, proc_meminfo(5))."""
    return _field(Path("/proc/meminfo"), "MemAvailable:")


def rss_bytes(pid: int | None = None) -> int:
    """Resident memory of a process, this one by default (`VmRSS`, proc_pid_status(5))."""
    return _field(Path(f"/proc/{pid or 'self'}/status"), "VmRSS:")


def _field(path: Path, name: str) -> int:
    with path.open() as lines:
        line = next(line for line in lines if line.startswith(name))
    return int(line.split()[1]) * 1024
