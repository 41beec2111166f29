"""Images that are built from steps: their methods, local files for them, and builds."""
