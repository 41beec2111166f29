"""Builds of images from steps: what a definition asks for, and the layers that come of it."""
