"""The files of volumes, read and written without a sandbox. No servicers."""
