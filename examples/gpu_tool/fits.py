"""Says which GPUs of this machine have room for a model: `fits.py MIB`."""

import csv
import subprocess
import sys
from collections.abc import Iterator

QUERY = ("--query-gpu=index,name,memory.free", "--format=csv,noheader,nounits")


def gpus() -> Iterator[tuple[str, str, int]]:
    """Index, name and free MiB of each GPU, as `nvidia-smi` tells."""
    listed = subprocess.run(("nvidia-smi", *QUERY), capture_output=True, text=True, check=True)
    for index, name, free in csv.reader(listed.stdout.splitlines(), skipinitialspace=True):
        yield index, name, int(free)


def main(needed: int) -> int:
    """Print those with room; the status of the program."""
    try:
        fitting = [(index, name) for index, name, free in gpus() if free >= needed]
    except FileNotFoundError:
        print("no nvidia-smi: is there a driver of NVIDIA?", file=sys.stderr)
        return 2
    for index, name in fitting:
        print(f"GPU {index}: {name}")
    return 0 if fitting else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
