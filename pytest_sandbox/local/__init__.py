"""The Linux engine."""
