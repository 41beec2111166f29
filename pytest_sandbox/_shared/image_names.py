"""Names of images, as far as it can be told without reading them: the server reads them."""

import re

#: The view of this machine.
HOST = "host"
_POSSIBLE = r"[A-Za-z0-9\[][A-Za-z0-9\[\]._:/@-]*"


def may_name_image(text: str) -> bool:
    """Whether a text is `host`, or may be the name of an image in a registry: `alpine:3.21`."""
    return re.fullmatch(_POSSIBLE, text) is not None
