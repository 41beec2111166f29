"""Local files that clients add to images and sandboxes; Modal's wire calls them mounts."""

import asyncio
import stat

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox.engine import EntryKind

from ..model.local_files import LocalFile
from ..model.state import State
from ..registries.standalone_python import StandalonePython
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, precondition, unimplemented

#: The permissions of a file of which nothing is said.
_MODE = 0o644
#: What a file is, by its type in `mode`; Modal's clients give none.
_KINDS = {
    0: EntryKind.FILE,
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
}
#: What clients name their own code by, which functions of apps and images get. They ask for it
#: before they say what they need it for, which is refused by its name then.
_CLIENT = "modal-client-mount-"
#: PATH_MAX of Linux, which bounds where a link leads.
_LONGEST = 4096


class LocalFileServicer:
    """The RPCs for local files, besides those that take their contents."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def MountBatchedCheckExistence(
        self, request: pb.MountBatchedCheckExistenceRequest, call: ServedCall
    ) -> pb.MountBatchedCheckExistenceResponse:
        """Which contents are not here."""
        return pb.MountBatchedCheckExistenceResponse(
            missing_sha256_hex_hashes=[
                digest
                for digest in request.sha256_hex_hashes
                if self._state.uploads.get(digest) is None
            ]
        )

    async def MountGetOrCreate(
        self, request: pb.MountGetOrCreateRequest, call: ServedCall
    ) -> pb.MountGetOrCreateResponse:
        """An id for files whose contents are here."""
        if request.deployment_name:
            files = await asyncio.to_thread(self._named, request.deployment_name)
        else:
            files = [self._file(file) for file in request.files]
        found = self._state.local_files.add(files)
        # As of a volume: they stay for a while, in case that another upload has the same ones.
        self._state.uploads.used(file.sha256_hex for file in request.files)
        return pb.MountGetOrCreateResponse(
            mount_id=found.id,
            handle_metadata=pb.MountHandleMetadata(content_checksum_sha256_hex=found.digest),
        )

    def _named(self, name: str) -> list[LocalFile]:
        """The files that Modal has stored under a name."""
        if name.startswith(_CLIENT):
            return []
        wanted = StandalonePython.of_name(name)
        if wanted is None:
            raise unimplemented(
                f"the files {name!r}, which Modal stores under this name, are not implemented by "
                "pytest-sandbox: add files of this machine, with Image.add_local_dir and the like"
            )
        return wanted.placeholder() if self._state.info.one_image else wanted.files()

    def _file(self, file: pb.MountFile) -> LocalFile:
        if not file.filename.startswith("/"):
            raise invalid(f"{file.filename!r} is not an absolute path")
        upload = self._state.uploads.get(file.sha256_hex)
        if upload is None:
            raise precondition(f"the content of {file.filename!r} was not uploaded, or is dropped")
        mode = file.mode & 0o7777 if file.HasField("mode") else _MODE
        kind = _KINDS.get(stat.S_IFMT(file.mode))
        if kind is None or (kind is EntryKind.SYMLINK and not 0 < upload.size < _LONGEST):
            raise invalid(f"{file.filename!r} cannot have the mode 0o{file.mode:o}")
        return LocalFile(file.filename, upload, mode, kind)
