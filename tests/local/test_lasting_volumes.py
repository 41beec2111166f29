"""Volumes that outlive the run, on the local engine."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox._run import Run
from pytest_sandbox.client import Client, Sandbox, Volume
from pytest_sandbox.client.exceptions import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def a_run(folder: Path) -> Iterator[tuple[Client, int]]:
    """A run whose volumes are in a folder: its client, and the process id of its engine."""
    run = Run.create()
    try:
        started = run.start("local", {"volumes": str(folder)})
        client = Client(started.socket)
        yield client, started.pid
        client.close()
    finally:
        run.close()


def data(client: Client) -> Volume:
    return Volume.from_name("data", create_if_missing=True, client=client)


def test_files_are_as_they_were(tmp_path: Path) -> None:
    script = (
        "mkdir -m 700 d; echo one > d/f; chmod 640 d/f; chown 3:4 d/f || :; ln -s /etc/passwd l; "
        "ln d/f h; mkfifo p; truncate -s 1G holes"
    )
    look = "stat -c '%n %F %a %u:%g %s' d d/f h l p holes; readlink l; cat h"
    with a_run(tmp_path) as (client, _):
        volume = data(client)
        sandbox = Sandbox.create(volumes={"/vol": volume}, workdir="/vol", client=client)
        sandbox.run("sh", "-ec", script, check=True)
        before = sandbox.run("sh", "-ec", look, check=True).stdout
    with a_run(tmp_path) as (client, _):
        sandbox = Sandbox.create(volumes={"/vol": data(client)}, workdir="/vol", client=client)
        assert sandbox.run("sh", "-ec", look, check=True).stdout == before
    assert (tmp_path / "main" / "data" / "files.tar").stat().st_size < 100_000


def test_what_was_committed_is_there_after_the_engine_was_killed(tmp_path: Path) -> None:
    with a_run(tmp_path) as (client, engine):
        volume = data(client)
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"kept"), "kept")
        volume.commit()
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"lost"), "lost")
        os.kill(engine, signal.SIGKILL)
    with a_run(tmp_path) as (client, _):
        assert [entry.path for entry in data(client).listdir("/")] == ["kept"]


def test_two_runs_do_not_use_a_volume_at_once(tmp_path: Path) -> None:
    with a_run(tmp_path) as (client, _):
        data(client).hydrate()
        in_use = pytest.raises(ConflictError, match="'data' is in use by another run")
        with a_run(tmp_path) as (other, _), in_use:
            data(other).hydrate()
    with a_run(tmp_path) as (client, _):
        data(client).hydrate()
