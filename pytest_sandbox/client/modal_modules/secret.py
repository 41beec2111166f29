"""Secrets."""

from ..secrets.secret import Secret as Secret
