"""Servicers of Modal's first protocol, one per area: the control plane and the router."""
