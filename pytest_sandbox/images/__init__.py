"""Images of registries and archives: their names, what they consist of, and where they are stored.

Nothing here runs a program or unpacks a layer: an image that is resolved is a configuration, and
files with layers whose digests were checked. Only the standard library is used.

The names are imported when they are first asked for: few runs have such images.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import DamagedImage as DamagedImage
    from .errors import ImageDenied as ImageDenied
    from .errors import ImageError as ImageError
    from .errors import ImageNotFound as ImageNotFound
    from .errors import ImageTooLarge as ImageTooLarge
    from .errors import InvalidReference as InvalidReference
    from .errors import RegistryUnreachable as RegistryUnreachable
    from .reference import Reference as Reference
    from .reference import parse_reference as parse_reference
    from .resolved import ImageConfig as ImageConfig
    from .resolved import LayerBlob as LayerBlob
    from .resolved import ResolvedImage as ResolvedImage
    from .store_folder import ImageStore as ImageStore
    from .store_folder import StoredPart as StoredPart

_WHERE = {
    "DamagedImage": "errors",
    "ImageConfig": "resolved",
    "ImageDenied": "errors",
    "ImageError": "errors",
    "ImageNotFound": "errors",
    "ImageStore": "store_folder",
    "ImageTooLarge": "errors",
    "InvalidReference": "errors",
    "LayerBlob": "resolved",
    "Reference": "reference",
    "RegistryUnreachable": "errors",
    "ResolvedImage": "resolved",
    "StoredPart": "store_folder",
    "parse_reference": "reference",
}

__all__ = [
    "DamagedImage",
    "ImageConfig",
    "ImageDenied",
    "ImageError",
    "ImageNotFound",
    "ImageStore",
    "ImageTooLarge",
    "InvalidReference",
    "LayerBlob",
    "Reference",
    "RegistryUnreachable",
    "ResolvedImage",
    "StoredPart",
    "parse_reference",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
