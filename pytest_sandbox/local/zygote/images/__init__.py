"""Images of other distributions: their layers on disk, and what every sandbox has besides."""
