from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.errors import SourceError
from siamtrack.io.live.addresses import check_address, scheme_of, shown_address


@pytest.mark.parametrize(
    ("source", "scheme"),
    [
        ("rtsp://host/1", "rtsp"),
        ("HTTP://host", "http"),
        ("file:///a.mp4", "file"),
        ("foo+bar://x", "foo+bar"),
        ("0", None),
        ("video.mp4", None),
        ("/dev/video0", None),
        ("C:\\videos\\a.mp4", None),
        ("a/b://c", None),
    ],
)
def test_scheme(source: str, scheme: str | None) -> None:
    assert scheme_of(source) == scheme


class TestShown:
    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("rtsp://host:554/stream", "rtsp://host:554/stream"),
            ("rtsp://user@host/1", "rtsp://user@host/1"),
            ("rtsp://user:password@host:554/1", "rtsp://user:***@host:554/1"),
            ("rtsp://user:@host/1", "rtsp://user:***@host/1"),
            ("rtsp://:password@host/1", "rtsp://:***@host/1"),
            # Passwords that should have been written with %40, %2F, %3F and %23.
            ("rtsp://user:p@ss@host/1", "rtsp://user:***@host/1"),
            ("rtsp://user:p/ss@host/1", "rtsp://user:***@host/1"),
            ("rtsp://user:p?s#s@host/1", "rtsp://user:***@host/1"),
            ("http://host/cgi?user=me&pwd=12 34&size=2", "http://host/cgi?user=me&pwd=***&size=2"),
            ("http://host/v?access_token=abc#x", "http://host/v?access_token=***#x"),
        ],
    )
    def test_without_its_password(self, address: str, shown: str) -> None:
        assert shown_address(address) == shown

    @settings(max_examples=50, deadline=None)
    @given(st.text(min_size=1))
    def test_whatever_the_password_is(self, password: str) -> None:
        assert shown_address(f"rtsp://user:{password}@host/1") == "rtsp://user:***@host/1"


class TestCheck:
    @pytest.mark.parametrize("address", ["rtsp://host", "http://127.0.0.1:8080/x", "https://[::1]/x", "udp://:1234"])
    def test_good_ones(self, address: str) -> None:
        check_address(address)

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("concat://a.mp4|b.mp4", "is no stream that can be read: give rtsp://"),
            ("http:///video.mjpg", "names no host: give an address such as http://"),
            ("rtsp://:8554/1", "names no host"),
            ("rtsp://host:99999/1", "is no address"),
            ("rtsp://[::1/1", "is no address"),
            ("rtsp://user:se/cret@host/1", "'rtsp://user:\\*\\*\\*@host/1' is no address"),
        ],
    )
    def test_bad_ones(self, address: str, message: str) -> None:
        with pytest.raises(SourceError, match=message) as caught:
            check_address(address)
        assert "cret" not in str(caught.value)
