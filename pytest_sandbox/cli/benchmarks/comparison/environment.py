"""Where another version is installed, as people name it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest_sandbox

#: Folders of a checkout that often have its virtual environment.
_OWN_FOLDERS = (".venv", "venv")
#: Variables that are not for another Python. The third would have a version compile its modules
#: anew in each process, unless they happen to be compiled.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Environment:
    """A Python that can import a version of the package.

    Attributes:
        python: its executable.
        checkout: the package is imported from here; `None` if it is installed.
    """

    python: Path
    checkout: Path | None = None

    def variables(self) -> dict[str, str]:
        """The environment variables of its processes: no paths but its own."""
        variables = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        if self.checkout is not None:
            variables["PYTHONPATH"] = str(self.checkout)
        return variables


class NoEnvironment(Exception):
    """What was named is no installation of this package."""


def own_environment() -> Environment:
    """The environment of this process."""
    home = Path(pytest_sandbox.__file__).parents[1]
    return Environment(Path(sys.executable), None if home.name == "site-packages" else home)


def find_environment(name: str) -> Environment:
    """The environment that a person means.

    Args:
        name: a virtual environment, its Python, or a checkout. A checkout has an environment in
            `.venv` or `venv`, or uses the Python of this process and its packages.

    Raises:
        NoEnvironment: it is none of these.
    """
    # Not resolved: the Python of an environment is often a link, and its name matters.
    path = Path(os.path.abspath(os.path.expanduser(name)))
    if not path.exists():
        raise NoEnvironment(f"there is no {name}")
    if path.is_file():
        if path.name.startswith("python") and os.access(path, os.X_OK):
            return Environment(path)
        raise NoEnvironment(f"{name} is a file, and not a Python to run")
    if (path / "pytest_sandbox" / "__init__.py").exists():
        pythons = (_python(path / each) for each in _OWN_FOLDERS)
        own = next((each for each in pythons if each is not None), None)
        return Environment(own or Path(sys.executable), path)
    python = _python(path) or (_python(path.parent) if path.name == "bin" else None)
    if python is None:
        raise NoEnvironment(
            f"{name} is neither a virtual environment, with bin/python,"
            " nor a checkout, with pytest_sandbox/__init__.py"
        )
    return Environment(python)


def _python(environment: Path) -> Path | None:
    found = environment / "bin" / "python"
    return found if os.access(found, os.X_OK) else None
