"""Images of registries and archives: which one a name means, and getting it for the engine."""
