"""Calls as they may be shown: without secrets."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from .call import ANOTHER

#: Shown in the place of a secret.
HIDDEN = "[secret]"
#: Metadata whose name contains one of these is secret. Binary metadata is left out.
_METADATA = ("auth", "token", "secret", "jwt", "cookie", "password")
#: Fields that are secret as a whole, by name or with their message; and fields that map names to
#: secret values.
_TEXTS = frozenset({"customer_supplied_encryption_key", "jwt", "sandbox_token", "token"})
#: Addresses that let everybody who knows them write or read a content: of these, where they are is
#: shown. Likewise.
_ADDRESSES = frozenset(
    {
        "pytest_sandbox.BlobCreateResponse.upload_url",
        "pytest_sandbox.MultiPartUpload.completion_url",
        "pytest_sandbox.MultiPartUpload.upload_urls",
        "pytest_sandbox.UploadUrlList.items",
        "pytest_sandbox.VolumeGetFile2Response.get_urls",
        "pytest_sandbox.VolumePutFiles2Response.MissingBlock.put_url",
    }
)
_TEXT_OF_MESSAGE = "pytest_sandbox.SecretUpdateRequest.Update.value"
_VALUES = frozenset(
    {
        "cloud_bucket_mount_credentials",
        "env",
        "env_dict",
        "environment_variables",
        "ephemeral_secrets",
    }
)


def public_metadata(metadata: Mapping[str, str | bytes]) -> dict[str, str]:
    """Metadata with secrets replaced, without hints: a test is not to see whether one was given."""
    return {
        name: HIDDEN if any(part in name.lower() for part in _METADATA) else value
        for name, value in metadata.items()
        if isinstance(value, str) and name != ANOTHER
    }


def public_message(message: Message) -> bytes:
    """The bytes of a message with secrets replaced; unknown fields are retained."""
    if _has_secrets(message.DESCRIPTOR):
        _redact(message)
    return message.SerializeToString()


@cache
def _has_secrets(descriptor: Descriptor) -> bool:
    return any(
        field.name in _TEXTS | _VALUES
        or field.full_name == _TEXT_OF_MESSAGE
        or field.full_name in _ADDRESSES
        or (field in _inner(descriptor) and _has_secrets(field.message_type))
        for field in descriptor.fields
    )


@cache
def _inner(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """Fields that are messages, which may contain secrets; maps are not among them."""
    return tuple(
        field
        for field in descriptor.fields
        if field.message_type is not None
        and not field.message_type.GetOptions().map_entry
        and field.message_type is not descriptor
    )


def _redact(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in _TEXTS or field.full_name == _TEXT_OF_MESSAGE:
            setattr(message, field.name, HIDDEN if isinstance(value, str) else HIDDEN.encode())
        elif field.full_name in _ADDRESSES:
            if isinstance(value, str):
                setattr(message, field.name, _place(value))
            else:
                value[:] = [_place(each) for each in value]
        elif field.name in _VALUES:
            _hide_values(value)
        elif field in _inner(message.DESCRIPTOR):
            for each in _each(value):
                if _has_secrets(each.DESCRIPTOR):
                    _redact(each)


def _place(url: str) -> str:
    """Where an address leads, without what follows."""
    scheme, mark, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}/{HIDDEN}" if mark else HIDDEN


def _each(value: Message) -> Iterator[Message]:
    yield from [value] if isinstance(value, Message) else value


def _hide_values(value: Any) -> None:
    """Hide the values of a map of strings, of a message with such a map, or of a map of these."""
    values = getattr(value, "contents", value)
    for name in list(values):
        if isinstance(values[name], str):
            values[name] = HIDDEN
        else:
            _hide_values(values[name])
