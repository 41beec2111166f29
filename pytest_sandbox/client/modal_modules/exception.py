"""Errors."""

from ..exceptions import *  # noqa: F403 - all of them
