from google.protobuf import empty_pb2 as _empty_pb2
from pytest_sandbox._proto import apps_pb2 as _apps_pb2
from pytest_sandbox._proto import common_pb2 as _common_pb2
from pytest_sandbox._proto import containers_pb2 as _containers_pb2
from pytest_sandbox._proto import images_pb2 as _images_pb2
from pytest_sandbox._proto import proxies_pb2 as _proxies_pb2
from pytest_sandbox._proto import sandboxes_pb2 as _sandboxes_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as _sandboxes_v2_pb2
from pytest_sandbox._proto import secrets_pb2 as _secrets_pb2
from pytest_sandbox._proto import snapshots_pb2 as _snapshots_pb2
from pytest_sandbox._proto import volumes_pb2 as _volumes_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
