"""The configuration that is completed once."""

from grpclib.config import Configuration

from pytest_sandbox._http2 import ReadyConfiguration


def test_it_says_what_that_of_grpclib_says() -> None:
    for ready, usual in (
        (ReadyConfiguration().__for_client__(), Configuration().__for_client__()),
        (ReadyConfiguration().__for_server__(), Configuration().__for_server__()),
    ):
        assert vars(ready) == vars(usual)
    assert ReadyConfiguration(http2_stream_window_size=2**20).__for_client__() != ready


def test_it_is_completed_once() -> None:
    own = ReadyConfiguration()
    assert own.__for_client__() is own.__for_client__()
    assert own.__for_server__() is own.__for_server__()
