"""What tells versions of the messages from each other that have the same number."""

import hashlib

from pytest_sandbox._proto import engine_pb2

#: Changes when the messages do.
PROTOCOL = hashlib.sha256(engine_pb2.DESCRIPTOR.serialized_pb).hexdigest()[:16]
