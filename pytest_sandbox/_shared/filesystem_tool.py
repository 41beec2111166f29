"""The program that clients run inside a sandbox for file operations."""

#: Its path, as Modal's clients call it. The server answers such commands itself: there is no file.
TOOL = "/__modal/.bin/modal-sandbox-fs-tools"
