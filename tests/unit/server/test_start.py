"""What the engine process leaves out of its start, for which each first test of a run waits."""

import subprocess
import sys

#: What few runs need: HTTP to registries, archives, certificates, other engines.
LATE = (
    *("http.client", "email", "zipfile", "importlib.metadata", "trustme", "cryptography", "jwt"),
    *("pytest_sandbox.images.registry", "pytest_sandbox.client", "pytest_sandbox.fakes"),
)


def test_what_few_runs_need_is_not_imported() -> None:
    code = (
        "import sys; import pytest_sandbox.server.__main__, pytest_sandbox.local;"
        f"print([name for name in {LATE} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
