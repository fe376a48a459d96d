from __future__ import annotations

import io
import logging
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from capturing import live_threads
from rendering import HEIGHT, WIDTH, Render, damage, index_of, numbered
from streaming import PATIENCE, Client, Script, Server

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.live import latest, reconnect
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.live.open import open_live


@pytest.fixture(autouse=True)
def _no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closing does not wait for a thread that waits for the server; it has ended all the same when the server has."""
    monkeypatch.setattr(latest, "PATIENCE", 0.0)
    yield
    for thread in live_threads():
        thread.join(PATIENCE)
    assert live_threads() == []


def showing(*numbers: int) -> Script:
    """Sends these pictures, then nothing more."""

    def script(client: Client) -> None:
        client.begin()
        client.send(numbers)
        client.stall()

    return script


def ending(*numbers: int) -> Script:
    """Sends these pictures, then hangs up."""

    def script(client: Client) -> None:
        client.begin()
        client.send(numbers)

    return script


def answering(content_type: str, content: bytes) -> Script:
    return lambda client: client.answer(content_type, content)


def refusing(code: int) -> Script:
    return lambda client: client.refuse(code)


def frame_of(source: LiveSource, number: int) -> LiveFrame:
    """Wait for the frame that shows a number."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        frame = source.poll(PATIENCE)
        if frame is not None and index_of(frame.image) == number:
            return frame
    raise AssertionError(f"no frame showed {number}")


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def has_dropped(source: LiveSource, count: int) -> bool:
    return source.dropped >= count


class TestMjpeg:
    def test_pictures_come_with_their_number_and_time(self) -> None:
        with Server([showing(3, 4, 5)]) as server, open_live(server.address()) as source:
            assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
            assert (source.info.count, source.info.files, source.is_file) == (None, (), False)
            frame = frame_of(source, 5)
            assert frame.index == 2
            assert 0 <= frame.time < PATIENCE
            assert np.abs(frame.image.astype(int) - numbered(5)).mean() < 6  # JPEG
            assert source.poll(0) is None

    def test_the_password_is_not_shown(self) -> None:
        with Server([showing(1)]) as server, open_live(server.address(user="me:secret@")) as source:
            assert source.info.name == f"http://me:***@127.0.0.1:{server.port}/video.mjpg"

    def test_a_slow_consumer_sees_the_newest_and_the_count(self) -> None:
        def flood(client: Client) -> None:
            client.begin()
            for number in count():
                client.send([number % 60])

        with Server([flood]) as server, open_live(server.address()) as source:
            for given, frame in enumerate(source, 1):
                assert index_of(frame.image) == frame.index % 60
                # The next is waited for until some have been replaced.
                wait_until(partial(has_dropped, source, source.dropped + 3))
                if given == 5:
                    break
            assert frame.index >= 12
            assert source.dropped >= 15


class TestReopening:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconnect, "FIRST_WAIT", 0.01)

    def test_a_stream_that_ends_goes_on_when_it_is_back(self) -> None:
        with (
            Server([ending(1, 2), refusing(503), ending(3), showing(4)]) as server,
            open_live(server.address()) as source,
        ):
            frame = frame_of(source, 4)
            assert frame.index == 3
            assert source.notice is None
            assert server.connections == 4

    def test_a_stream_that_stalls_is_opened_again(self, caplog: pytest.LogCaptureFixture) -> None:
        with (
            caplog.at_level(logging.INFO, "siamtrack"),
            Server([showing(1), showing(2)]) as server,
            open_live(server.address(user="me:secret@"), timeout=0.3) as source,
        ):
            frame = frame_of(source, 2)
            assert frame.index == 1
            assert frame.time >= 0.3
        assert "stalled: no picture for 0.3 seconds; opening it again in 0.01 s (try 1 of 10)" in caplog.text
        assert "the pictures are back after 1 try" in caplog.text
        assert "secret" not in caplog.text

    def test_the_notice_says_what_is_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconnect, "FIRST_WAIT", 5.0)
        with Server([ending(1)]) as server, open_live(server.address()) as source:
            wait_until(lambda: source.notice)
            assert source.notice is not None
            assert source.notice.endswith("; opening it again in 5 s (try 1 of 10)")
            assert "\n" not in source.notice

    def test_it_gives_up_after_the_tries(self) -> None:
        with Server([ending(1), refusing(404)]) as server, open_live(server.address(), tries=2) as source:
            assert [index_of(frame.image) for frame in source] == [1]
            assert source.ended is not None
            assert "404 Not Found" in source.ended
            assert source.ended.endswith("given up after 2 tries to open it again")
            assert source.notice is None
            assert server.connections == 3


class TestRecordings:
    """A file on a server has an end, and its pictures have times."""

    def test_it_is_played_at_its_rate_and_not_again(self, render: Render) -> None:
        content = render("video.mp4", 10).read_bytes()
        with Server([answering("video/mp4", content)]) as server, open_live(server.address("video.mp4")) as source:
            assert source.info.rate == 25
            frames = list(source)
            assert server.connections == 1
            assert source.ended is not None
            assert source.ended.endswith("ended")
        assert frames[-1].index == 9
        assert frames[-1].time >= 0.3  # 9 / 25, less what the first needed to be decoded
        assert [index_of(frame.image) for frame in frames] == [frame.index for frame in frames]

    @pytest.mark.parametrize("degrees", [0, 90, 180, 270])
    def test_pictures_are_turned_once(self, render: Render, degrees: int) -> None:
        content = render(frames=3, rotation=(degrees, False, False)).read_bytes()
        expected = np.rot90(numbered(0), degrees // 90)
        with Server([answering("video/mp4", content)]) as server, open_live(server.address()) as source:
            assert (source.info.height, source.info.width) == expected.shape[:2]
            image = next(source).image
        red, truth = (each[..., 2].astype(int) - each[..., 1] > 100 for each in (image, expected.astype(int)))
        np.testing.assert_array_equal(red[4::8, 4::8], truth[4::8, 4::8])


class TestFiles:
    @pytest.fixture(params=["path", "text", "address"])
    def named(self, request: pytest.FixtureRequest) -> Callable[[Path], str | Path]:
        ways: dict[str, Callable[[Path], str | Path]] = {"path": Path, "text": str, "address": Path.as_uri}
        return ways[request.param]

    def test_every_frame_comes(self, render: Render, named: Callable[[Path], str | Path]) -> None:
        path = render("two words.mp4", 20)
        with open_live(named(path)) as source:
            assert source.is_file
            assert source.info.files == (path,)
            frames = list(source)
            assert (source.dropped, source.notice, source.ended) == (0, None, None)
        assert [frame.index for frame in frames] == list(range(20))
        assert [index_of(frame.image) for frame in frames] == list(range(20))
        assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(20)], abs=1e-3)
        captured = [frame.captured for frame in frames]
        assert captured == sorted(captured)
        assert captured[-1] <= time.monotonic()

    def test_polling_is_the_same(self, render: Render) -> None:
        with open_live(render(frames=3)) as source:
            assert [frame.index for frame in (source.poll(0), source.poll(0), source.poll(0)) if frame] == [0, 1, 2]
            with pytest.raises(StopIteration):
                source.poll(0)

    def test_folders_and_globs(self, folder: Path) -> None:
        for name in (folder, f"{folder}/*.png"):
            with open_live(name) as source:
                assert len(list(source)) >= 6

    def test_what_cannot_be_decoded_is_skipped_and_told(self, render: Render, caplog: pytest.LogCaptureFixture) -> None:
        path = render(frames=20)
        lost = damage(path, 19)
        with caplog.at_level(logging.WARNING, "siamtrack"), open_live(path) as source:
            indices = [frame.index for frame in source]
            assert list(source) == []
        assert indices == [index for index in range(20) if index != lost]
        assert caplog.text.count("could not be decoded") == 1

    def test_it_ends_when_it_is_closed(self, render: Render) -> None:
        source = open_live(render(frames=10))
        next(source)
        source.close()
        assert list(source) == []

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="does not exist"):
            open_live(str(tmp_path / "nothing.mp4"))


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return buffer.getvalue()


class TestErrors:
    """One line each, with what is wrong and the remedy, and never a password."""

    @staticmethod
    def refusal(address: str, timeout: float = PATIENCE) -> str:
        with pytest.raises(SourceError) as caught:
            open_live(address, timeout=timeout)
        told = f"{caught.value} {caught.value.__cause__}"
        assert "\n" not in told
        assert "secret" not in told
        return str(caught.value)

    @pytest.mark.parametrize("scheme", ["rtsp", "http"])
    def test_no_answer_names_the_time_out(self, scheme: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            message = self.refusal(f"{scheme}://me:secret@127.0.0.1:{port}/1", timeout=0.5)
        assert message.startswith(f"cannot open '{scheme}://me:***@127.0.0.1:{port}/1': no answer within 0.5 seconds")
        assert "check the address" in message

    @pytest.mark.parametrize("scheme", ["rtsp", "http"])
    def test_connection_refused(self, scheme: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # and does not listen
            message = self.refusal(f"{scheme}://me:secret@127.0.0.1:{unused.getsockname()[1]}/1")
        assert "Connection refused; check host and port" in message

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (401, "401 Unauthorized (authorization failed); check user and password"),
            (403, "403 Forbidden (access denied); check user and password"),
            (404, "404 Not Found; check the path"),
            (400, "400 Bad Request; check the address"),
            (500, "5XX Server Error reply; try again later"),
        ],
    )
    def test_what_a_server_answers(self, code: int, message: str) -> None:
        with Server([refusing(code)]) as server:
            assert message in self.refusal(server.address(user="me:secret@"))

    @pytest.mark.parametrize("content", [b"", b"<html>hello</html>" * 200])
    def test_a_page_is_no_stream(self, content: bytes) -> None:
        with Server([answering("text/html", content)]) as server:
            assert "it is no stream of pictures; check the path" in self.refusal(server.address())

    def test_sound_alone(self) -> None:
        with Server([answering("audio/wav", sound())]) as server:
            assert "has no video in it (only audio)" in self.refusal(server.address())

    def test_a_codec_that_is_unknown(self, render: Render) -> None:
        content = render("video.mkv").read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ")
        with Server([answering("video/x-matroska", content)]) as server:
            assert "has a video codec that cannot be decoded here" in self.refusal(server.address())

    def test_a_stream_that_shows_nothing(self) -> None:
        def silent(client: Client) -> None:
            client.begin()
            client.stall()

        with Server([silent]) as server:
            assert "no answer within 0.3 seconds" in self.refusal(server.address(), timeout=0.3)
            assert server.connections == 1  # only what was there once is opened again

    @pytest.mark.parametrize("address", ["foo://me:secret@host/1", "rtsp://me:secret@/1", "rtsp://me:se/cret@host/1"])
    def test_addresses_that_are_none(self, address: str) -> None:
        self.refusal(address)

    def test_a_camera_that_does_not_exist(self) -> None:
        assert "camera 99" in self.refusal("99")

    @pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf")])
    def test_an_impossible_time_out(self, timeout: float) -> None:
        with pytest.raises(UsageError, match="give more than 0"):
            open_live("0", timeout=timeout)

    def test_an_impossible_number_of_tries(self) -> None:
        with pytest.raises(UsageError, match="-1 tries make no sense"):
            open_live("0", tries=-1)

    def test_ffmpeg_says_nothing_meanwhile(self) -> None:
        with Server([refusing(404)]) as server:
            code = f"""if True:
                from siamtrack.errors import SourceError
                from siamtrack.io.live.open import open_live
                try:
                    open_live({server.address()!r})
                except SourceError:
                    pass
            """
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")


class TestClosing:
    def test_while_the_network_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(latest, "PATIENCE", PATIENCE)
        with Server([showing(1)]) as server:
            source = open_live(server.address(), timeout=0.5)
            next(source)
            source.close()
            assert live_threads() == []
            assert list(source) == []

    def test_a_program_that_does_not_close_ends_all_the_same(self) -> None:
        with Server([showing(1)]) as server:
            code = f"from siamtrack.io.live.open import open_live; next(open_live({server.address()!r}))"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert done.stderr == ""
