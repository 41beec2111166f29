"""Layers of images of other distributions: from a tar to a directory that overlayfs can merge."""
