"""The pytest plugin.

Loading it costs next to nothing: no module here imports the client, gRPC or asyncio before a
test wants a sandbox.
"""

pytest_plugins = (
    "pytest_sandbox.plugin._options",
    "pytest_sandbox.plugin._marker",
)
