"""Apps."""

from ..apps.app import App as App
