"""Servicers of Modal's V2 RPCs; those that differ from V1's in their names only are V1's."""
