"""Images of registries and archives: their layers, unpacked into the store on disk."""
