"""Times the same hundred tests with databases that come from different places.

python compare.py [WAY ...]
"""

import subprocess
import sys
import time
from pathlib import Path

WAYS = {
    "memory": "restored with its server running",
    "files": "restored from files, server started",
    "fresh": "made anew",
    "truncate": "one for all, tables cleared",
}


def seconds(way: str) -> float:
    """How long the tests take."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", f"--database={way}"]
    started = time.monotonic()
    subprocess.run(command, cwd=Path(__file__).parent, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def main(ways: list[str]) -> None:
    print(f"{'a database for each of 100 tests':40}{'seconds':>8}")
    for way in ways or WAYS:
        print(f"{WAYS[way]:40}{seconds(way):>8.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
