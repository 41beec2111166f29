"""Servicers of Modal's V1 RPCs, one for each area of the control plane and the router."""
