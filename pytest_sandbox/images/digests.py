"""Digests as registries write them."""

import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_digest(text: object) -> bool:
    """Whether it is a SHA-256 digest as registries write them: `sha256:` and 64 digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
