"""Variables of a file `.env`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def dotenv_variables(path: str | os.PathLike[str] | None, filename: str) -> dict[str, str | None]:
    """The variables of the nearest file of that name; none if there is no file.

    Args:
        path: a file or a directory, where the search begins; it goes on in the directories above.
            By default it is the working directory.
        filename: of the file.

    Raises:
        ImportError: python-dotenv is not installed.
    """
    try:
        from dotenv import dotenv_values
    except ImportError as error:
        raise ImportError(
            "Secret.from_dotenv() needs the package python-dotenv: pip install python-dotenv"
        ) from error
    start = Path(path if path is not None else Path.cwd()).absolute()
    for folder in [*([start] if start.is_dir() else []), *start.parents]:
        if (folder / filename).is_file():
            values = dotenv_values(folder / filename)
            return {name: value or "" for name, value in values.items()}
    return {}
