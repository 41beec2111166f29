"""Images."""

from ..image import Image as Image
