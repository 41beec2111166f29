"""Keeps notes.

usage: notes.py add TEXT ...    add a note
       notes.py list            show all notes
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: Where the locale knows no UTF-8, arguments hold bytes that Python could not decode: they go
#: to the file as they came.
AS_GIVEN = "surrogateescape"


def notes_file() -> Path:
    """Where the XDG Base Directory Specification wants a user's data."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "notes" / "notes.txt"


def add(text: str) -> None:
    path = notes_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors=AS_GIVEN) as file:
        path.chmod(0o600)
        file.write(f"{text}\n")


def show() -> None:
    path = notes_file()
    if not path.exists():
        print("No notes yet: add one with 'notes.py add TEXT'.")
        return
    for number, line in enumerate(path.read_text("utf-8", AS_GIVEN).splitlines(), 1):
        print(f"{number}. {line}")


def main(arguments: Sequence[str]) -> int:
    """Run a command; 0 if it worked, 1 for an error of the machine, 2 for one of the user."""
    sys.stdout.reconfigure(encoding="utf-8", errors=AS_GIVEN)  # type: ignore[union-attr]
    try:
        if arguments[:1] == ["add"] and len(arguments) > 1:
            add(" ".join(arguments[1:]))
        elif list(arguments) == ["list"]:
            show()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except OSError as error:
        print(f"notes: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
