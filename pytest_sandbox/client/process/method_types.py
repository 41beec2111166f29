"""The types of methods whose result depends on an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, overload

if TYPE_CHECKING:
    from collections.abc import Collection

    from _typeshed import OpenBinaryMode, OpenTextMode

    from ..files.fileio import FileIO
    from ..secrets.secret import Secret
    from .communicate import CompletedCommand
    from .container_process import ContainerProcess
    from .stream_type import StreamType


class ExecMethod(Protocol):
    """`Sandbox.exec`: `text` decides between processes of text and of bytes."""

    @overload
    def __call__(
        self,
        *args: str,
        stdout: StreamType = ...,
        stderr: StreamType = ...,
        timeout: int | None = ...,
        workdir: str | None = ...,
        env: dict[str, str | None] | None = ...,
        secrets: Collection[Secret] | None = ...,
        text: Literal[True] = ...,
        bufsize: Literal[-1, 1] = ...,
        pty: bool = ...,
        _pty_info: None = ...,
        pty_info: None = ...,
    ) -> ContainerProcess[str]: ...

    @overload
    def __call__(
        self,
        *args: str,
        stdout: StreamType = ...,
        stderr: StreamType = ...,
        timeout: int | None = ...,
        workdir: str | None = ...,
        env: dict[str, str | None] | None = ...,
        secrets: Collection[Secret] | None = ...,
        text: Literal[False],
        bufsize: Literal[-1, 1] = ...,
        pty: bool = ...,
        _pty_info: None = ...,
        pty_info: None = ...,
    ) -> ContainerProcess[bytes]: ...

    @overload
    async def aio(
        self,
        *args: str,
        stdout: StreamType = ...,
        stderr: StreamType = ...,
        timeout: int | None = ...,
        workdir: str | None = ...,
        env: dict[str, str | None] | None = ...,
        secrets: Collection[Secret] | None = ...,
        text: Literal[True] = ...,
        bufsize: Literal[-1, 1] = ...,
        pty: bool = ...,
        _pty_info: None = ...,
        pty_info: None = ...,
    ) -> ContainerProcess[str]: ...

    @overload
    async def aio(
        self,
        *args: str,
        stdout: StreamType = ...,
        stderr: StreamType = ...,
        timeout: int | None = ...,
        workdir: str | None = ...,
        env: dict[str, str | None] | None = ...,
        secrets: Collection[Secret] | None = ...,
        text: Literal[False],
        bufsize: Literal[-1, 1] = ...,
        pty: bool = ...,
        _pty_info: None = ...,
        pty_info: None = ...,
    ) -> ContainerProcess[bytes]: ...


class RunMethod(Protocol):
    """`Sandbox.run`: `text` decides between results of text and of bytes."""

    @overload
    def __call__(
        self,
        *args: str,
        input: str | bytes | None = ...,
        check: bool = ...,
        timeout: int | None = ...,
        text: Literal[True] = ...,
        env: dict[str, str | None] | None = ...,
        workdir: str | None = ...,
        secrets: Collection[Secret] | None = ...,
    ) -> CompletedCommand[str]: ...

    @overload
    def __call__(
        self,
        *args: str,
        input: str | bytes | None = ...,
        check: bool = ...,
        timeout: int | None = ...,
        text: Literal[False],
        env: dict[str, str | None] | None = ...,
        workdir: str | None = ...,
        secrets: Collection[Secret] | None = ...,
    ) -> CompletedCommand[bytes]: ...

    @overload
    async def aio(
        self,
        *args: str,
        input: str | bytes | None = ...,
        check: bool = ...,
        timeout: int | None = ...,
        text: Literal[True] = ...,
        env: dict[str, str | None] | None = ...,
        workdir: str | None = ...,
        secrets: Collection[Secret] | None = ...,
    ) -> CompletedCommand[str]: ...

    @overload
    async def aio(
        self,
        *args: str,
        input: str | bytes | None = ...,
        check: bool = ...,
        timeout: int | None = ...,
        text: Literal[False],
        env: dict[str, str | None] | None = ...,
        workdir: str | None = ...,
        secrets: Collection[Secret] | None = ...,
    ) -> CompletedCommand[bytes]: ...


class OpenMethod(Protocol):
    """`Sandbox.open`: `mode` decides between files of text and of bytes."""

    @overload
    def __call__(self, path: str, mode: OpenTextMode = ...) -> FileIO[str]: ...

    @overload
    def __call__(self, path: str, mode: OpenBinaryMode) -> FileIO[bytes]: ...

    @overload
    async def aio(self, path: str, mode: OpenTextMode = ...) -> FileIO[str]: ...

    @overload
    async def aio(self, path: str, mode: OpenBinaryMode) -> FileIO[bytes]: ...
