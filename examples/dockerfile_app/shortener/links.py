"""The links: names and addresses, of a file."""

import configparser
from pathlib import Path


class Links:
    """The links in a file with a section `[links]`."""

    def __init__(self, path: Path) -> None:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(path.read_text())
        self._links = dict(parser["links"])

    def find(self, path: str) -> str | None:
        """The address that a path stands for, the rest of the path behind it; `None` if unknown."""
        name, _, rest = path.strip("/").partition("/")
        address = self._links.get(name.lower())
        return None if address is None else address + rest
