"""Two machines whose clocks are an hour apart."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trustme

from pytest_sandbox.engine import TaskSpec
from pytest_sandbox.fakes import FakeEngine, VirtualClock
from pytest_sandbox.remote.link.dialing import ALPN
from pytest_sandbox.remote.link.listening import ShownCertificate

from .outages import Machine, in_virtual_time
from .test_links import Asking, far_side, near_side, refusal

if TYPE_CHECKING:
    from pathlib import Path

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def test_a_far_clock_that_is_ahead_sets_times_of_files_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        here, there = VirtualClock(1_000_000_000), VirtualClock(1_000_003_600)
        far = Machine(lambda: FakeEngine(clock=there))
        async with far.run(monkeypatch, here) as engine:
            assert engine.clock is here  # from which the server has its lifetimes
            task = await engine.create(TaskSpec())
            file = await task.files.open("/root/new", 0o102)  # O_RDWR | O_CREAT
            await file.pwrite(0, b"x")
            entry = await task.files.stat("/root/new")
            assert entry.mtime_ns == 1_000_003_600 * 10**9
            assert task.poll() is None

    in_virtual_time(main())


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [(HOUR, DAY, "not yet valid"), (-DAY, -HOUR, "expired")],
    ids=["our clock is behind", "our clock is ahead"],
)
@pytest.mark.asyncio
async def test_a_certificate_that_is_not_valid_by_our_clock(
    begins: datetime.timedelta,
    ends: datetime.timedelta,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    now = datetime.datetime.now(datetime.timezone.utc)
    made = authority.issue_cert("127.0.0.1", not_before=now + begins, not_after=now + ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(context)
    context.set_alpn_protocols([ALPN])
    async with far_side(ShownCertificate(context, "")) as far:
        said = await refusal(far.address)
        assert says in said
        assert "Correct the clock of this machine" in said
        # Of the certificate that the address was made for, it is no matter when that is valid.
        pinned = replace(far.address, fingerprint="0" * 64)
        found = (await refusal(pinned)).partition("another fingerprint, ")[2][:64]
        async with near_side(replace(far.address, fingerprint=found)) as near:
            await (await near.open(Asking)).ask(b"x")
