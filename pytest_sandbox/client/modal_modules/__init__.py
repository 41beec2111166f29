"""The modules of Modal's client, for programs that name what is in them.

`modal.io_streams.StreamReader` is here too, where a program says `import pytest_sandbox as modal`.
"""
