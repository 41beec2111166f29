"""What the `sandbox` marker changes about the copies of a template."""

from __future__ import annotations

from typing import Any

from ..marker import merged_spec

#: Keys that shape the fixture `sandbox` and no copy: what it starts from, and its names.
_NOT_FOR_COPIES = ("alias", "image", "name", "project")


def changes(node: Any) -> dict[str, Any]:
    """Keywords of `Sandbox.create` that differ from the template's.

    Args:
        node: the test that gets the copy, or the module or class that shares it.
    """
    return {key: value for key, value in merged_spec(node).items() if key not in _NOT_FOR_COPIES}
