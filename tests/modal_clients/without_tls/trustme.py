"""Stands before the real package on the path: a machine on which it is not installed."""

raise ImportError("trustme is not installed here")
