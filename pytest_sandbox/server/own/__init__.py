"""Servicers of our own services, which Modal does not have: inspector and extensions."""
