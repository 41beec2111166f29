"""Servicers that Modal does not have: inspector, extensions, images stored on disk."""
