"""Says which archives are broken."""

from pytest_sandbox import Sandbox


def broken(machine: Sandbox, folder: str) -> dict[str, str]:
    """The archives of a folder that cannot be unpacked, and why.

    Args:
        machine: where they are.
        folder: all its files are archives of gzip.
    """
    reasons = {}
    for file in machine.filesystem.list_files(folder):
        done = machine.run("gzip", "--test", f"{folder}/{file.name}")
        if done.returncode != 0:
            reasons[file.name] = done.stderr.strip().rpartition(": ")[2]
    return reasons
