"""Pages, good and broken, and what they get."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from serving_clients import Held, Page, StillTracker, jpeg, packed, picture, service
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from siamtrack.errors import UsageError
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.results import CSV_HEADER
from siamtrack.io.sources import open_source
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.live.server import feeds
from siamtrack.live.server.app import build_app
from siamtrack.live.server.limits import FASTEST, LimitError, Limits
from siamtrack.live.server.protocol import HELD, MAX_PROBLEMS
from siamtrack.live.server.recording import PageRecording
from siamtrack.live.server.session import WEIGHED, Session

BOX = [16.0, 12.0, 16.0, 12.0]


@pytest.fixture
def webcam(page: Page) -> Page:
    """A page that has opened its webcam."""
    assert page.ask(type="webcam")["type"] == "opened"
    return page


def write_video(path: Path, frames: int = 6, width: int = 64, height: int = 48) -> bytes:
    with VideoEncoder(path, width, height, Fraction(25), threads=1) as sink:
        for index in range(frames):
            sink.write(picture(width, height, 20 * index))
    return path.read_bytes()


def table(client: TestClient, page: Page) -> list[dict[str, str]]:
    answer = client.get(f"{page.address}/boxes.csv")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


# The page's webcam


def test_the_greeting_tells_the_limits(page: Page) -> None:
    assert page.hello["type"] == "hello"
    assert (page.hello["model"], page.hello["cameras"]) == ("still", False)
    assert page.hello["allowed"] == {"targets": 2, "upload": 500_000, "side": 640, "seconds": 60.0}


def test_frames_go_up_and_boxes_come_down(webcam: Page) -> None:
    first = webcam.show(0)
    assert (first["type"], first["frame"], first["targets"]) == ("boxes", 0, [])
    added = webcam.ask(type="add", frame=0, box=BOX)
    assert (added["type"], added["frame"], added["target"]) == ("changed", 0, 1)
    assert added["targets"] == [{"id": 1, "box": BOX, "score": 1.0, "status": "tracked"}]
    assert webcam.show(1)["targets"] == [{"id": 1, "box": BOX, "score": 0.9, "status": "tracked"}]
    webcam.ask(type="add", frame=1, box=[1, 2, 8, 9])
    assert [target["id"] for target in webcam.show(2)["targets"]] == [1, 2]
    moved = webcam.ask(type="restart", target=1, frame=2, box=[20, 20, 10, 10])
    assert moved["targets"][0]["box"] == [20, 20, 10, 10]
    left = webcam.ask(type="drop", target=1)
    assert [target["id"] for target in left["targets"]] == [2]
    assert [target["id"] for target in webcam.show(3)["targets"]] == [2]


def test_a_box_may_be_drawn_on_the_frames_that_are_held(webcam: Page) -> None:
    for number in range(HELD + 1):
        webcam.show(number)
    assert "no longer here" in webcam.ask(type="add", frame=0, box=BOX)["text"]
    assert webcam.ask(type="add", frame=1, box=BOX)["target"] == 1


def test_the_table_and_the_video_can_be_had_at_any_time(client: TestClient, webcam: Page, tmp_path: Path) -> None:
    for number in range(3):
        webcam.show(number)
    webcam.ask(type="add", frame=2, box=BOX)
    for number in range(3, 9):
        webcam.show(number)
        rows = table(client, webcam)
        assert [int(row["frame"]) for row in rows] == list(range(2, number + 1))
    assert rows[0] == dict(
        zip(
            CSV_HEADER.split(","),
            ["2", "0.100000", "1", "16.000", "12.000", "16.000", "12.000", "1.0000", "tracked"],
            strict=True,
        )
    )
    answer = client.get(f"{webcam.address}/video.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    (tmp_path / "video.mp4").write_bytes(answer.content)
    with open_source(tmp_path / "video.mp4") as source:
        assert len(list(source)) == 9  # 20 frames per second, as they came
        assert (source.info.width, source.info.height) == (64, 48)


def test_a_source_that_is_chosen_anew_begins_without_targets(client: TestClient, webcam: Page) -> None:
    webcam.show(0)
    webcam.ask(type="add", frame=0, box=BOX)
    webcam.ask(type="webcam")
    assert webcam.show(0)["targets"] == []
    assert table(client, webcam) == []


def test_what_was_recorded_of_the_source_before_is_removed(page: Page, temporary: Path) -> None:
    for _ in range(3):
        page.ask(type="webcam")
        page.show(0)
        assert len(list(temporary.rglob("recording-*"))) == 1


def test_nothing_is_handed_out_before_there_is_something(client: TestClient, page: Page) -> None:
    for file in ("boxes.csv", "video.mp4"):
        answer = client.get(f"{page.address}/{file}")
        assert (answer.status_code, answer.text.count("\n")) == (400, 1)


def test_two_frames_may_be_on_their_way(tracker: StillTracker, webcam: Page) -> None:
    tracker.seconds = 0.3
    for number in range(3):
        webcam.socket.send_bytes(packed(number, number / 20, jpeg()))
    answers = [webcam.hear() for _ in range(3)]
    (refused,) = (answer for answer in answers if answer["type"] == "problem")
    assert refused["frame"] == 2
    assert "refused" in refused["text"]
    assert [answer["frame"] for answer in answers if answer["type"] == "boxes"] == [0, 1]
    tracker.seconds = 0.0
    assert webcam.show(3)["type"] == "boxes"


def test_one_download_of_the_video_at_a_time(
    client: TestClient, webcam: Page, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    webcam.show(0)
    held = Held(PageRecording.export_video)
    monkeypatch.setattr(PageRecording, "export_video", held)
    with held.by(lambda: client.get(f"{webcam.address}/video.mp4")) as answers:
        refused = client.get(f"{webcam.address}/video.mp4")
        assert (refused.status_code, refused.text.count("\n")) == (409, 1)
    assert answers[0].status_code == 200
    assert client.get(f"{webcam.address}/video.mp4").status_code == 200
    assert list(temporary.rglob("downloads/*")) == []


def test_a_source_whose_files_grow_too_large_ends(tracker: StillTracker, temporary: Path) -> None:
    noise = np.random.default_rng(0)
    app = build_app(service(tracker, Limits(disk=0.1)))
    client = TestClient(app, base_url="http://127.0.0.1", headers={"origin": "http://127.0.0.1"})
    with client, Page.open(client) as page:
        page.ask(type="webcam")
        for number in range(WEIGHED - 1):
            assert page.show(number, data=jpeg(noise.integers(0, 255, (240, 320, 3), np.uint8)))["type"] == "boxes"
        ended = page.show(WEIGHED)
        assert ended["type"] == "ended"
        assert "--max-disk" in ended["why"]
        assert client.get(f"{page.address}/video.mp4").status_code == 200
        answer = client.post(f"{page.address}/upload", content=bytes(200_000))
        assert answer.status_code == 400
        assert "--max-disk" in answer.text
        assert page.ask(type="webcam")["type"] == "opened"
        assert page.show(0)["type"] == "boxes"


# Broken clients


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"garbage", "empty"),
        (packed(0, 0, b"garbage"), "no JPEG"),
        (packed(0, 0, jpeg()[:-30]), "damaged"),
        (packed(0, 0, jpeg(picture(641, 20))), "larger than this server takes"),
        (packed(0, 0, jpeg() + bytes(250_000)), "send 0.2 MB at most"),
        (packed(0, float("nan"), jpeg()), "time"),
    ],
)
def test_a_frame_that_is_none_gets_one_line_and_the_next_is_served(webcam: Page, data: bytes, word: str) -> None:
    webcam.socket.send_bytes(data)
    answer = webcam.hear()
    assert answer["type"] == "problem"
    assert word in answer["text"]
    assert "\n" not in answer["text"]
    assert webcam.show(1)["type"] == "boxes"


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ({"type": "add", "frame": 0, "box": [5, 5, 1, 1]}, "too small"),
        ({"type": "add", "frame": 0, "box": [500, 5, 20, 20]}, "outside"),
        ({"type": "add", "frame": 99, "box": BOX}, "no longer here"),
        ({"type": "restart", "target": 7, "frame": 0, "box": BOX}, "no target 7"),
        ({"type": "drop", "target": 7}, "no target 7"),
        ({"type": "upload"}, "upload one first"),
        ({"type": "camera", "address": "0"}, "--allow-cameras"),
        ({"type": "nonsense"}, "cannot be read"),
    ],
)
def test_a_command_that_cannot_be_gets_one_line(webcam: Page, command: dict[str, object], word: str) -> None:
    webcam.show(0)
    answer = webcam.ask(**command)
    assert answer["type"] == "problem"
    assert word in answer["text"]
    assert "\n" not in answer["text"]


def test_text_instead_of_bytes(webcam: Page) -> None:
    webcam.socket.send_text("\xff\xd8 not a frame")
    assert "cannot be read" in webcam.hear()["text"]
    assert webcam.show(0)["type"] == "boxes"


def test_frames_before_a_source_and_out_of_order(page: Page) -> None:
    assert "open the webcam first" in page.show(0)["text"]
    page.ask(type="webcam")
    page.show(5)
    assert "must grow" in page.show(5)["text"]
    assert "must grow" in page.show(6, seconds=0.1)["text"]


def test_too_many_targets(webcam: Page) -> None:
    webcam.show(0)
    for _ in range(2):
        assert webcam.ask(type="add", frame=0, box=BOX)["type"] == "changed"
    assert "remove one first" in webcam.ask(type="add", frame=0, box=BOX)["text"]


def test_a_source_ends_at_its_limit(client: TestClient, webcam: Page) -> None:
    webcam.show(0)
    webcam.ask(type="add", frame=0, box=BOX)
    ended = webcam.show(1, seconds=60.5)
    assert ended["type"] == "ended"
    assert "--max-minutes" in ended["why"]
    assert "open the webcam first" in webcam.show(2, seconds=61)["text"]
    assert len(table(client, webcam)) == 1


def test_frames_that_all_claim_the_same_time_end_too(limits: Limits) -> None:
    limits.check_length(0.0, 60 * FASTEST)
    with pytest.raises(LimitError):
        limits.check_length(0.0, 60 * FASTEST + 1)


def test_who_goes_on_with_nonsense_is_shown_out(webcam: Page) -> None:
    for _ in range(MAX_PROBLEMS):
        assert webcam.ask(type="nonsense")["type"] == "problem"
    with pytest.raises(WebSocketDisconnect) as caught:
        webcam.hear()
    assert caught.value.code == 1008


def test_one_broken_client_stops_no_other(client: TestClient, webcam: Page) -> None:
    with Page.open(client) as broken:
        broken.ask(type="webcam")
        broken.socket.send_bytes(packed(0, 0, b"garbage"))
        broken.socket.send_bytes(packed(1, 0, jpeg()))  # it leaves before the answer
    assert webcam.show(0)["type"] == "boxes"


def test_a_fault_of_the_server_is_told(webcam: Page, tracker: StillTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    with monkeypatch.context() as context:
        context.setattr(tracker, "step", fail)
        answer = webcam.show(0)
    assert (answer["type"], answer["frame"]) == ("problem", 0)
    assert "out of order" in answer["text"]
    assert webcam.show(1)["type"] == "boxes"


def test_sessions_are_counted(client: TestClient, page: Page) -> None:
    with Page.open(client), Page.open(client) as refused:
        assert refused.hello["type"] == "problem"
        assert "--max-sessions" in refused.hello["text"]
        with pytest.raises(WebSocketDisconnect):
            refused.hear()
    with Page.open(client) as again:
        assert again.hello["type"] == "hello"


# Uploads


def test_an_uploaded_video_gives_every_frame_once(client: TestClient, page: Page, tmp_path: Path) -> None:
    answer = client.post(f"{page.address}/upload", content=write_video(tmp_path / "clip.mp4"))
    assert answer.status_code == 200
    opened = page.ask(type="upload")
    assert (opened["type"], opened["frames"], opened["paused"]) == ("opened", 6, True)
    first, image = page.hear_picture()
    assert first["frame"] == 0
    assert image.mean() == pytest.approx(picture(shade=0).mean(), abs=4)
    assert page.ask(type="add", frame=0, box=BOX)["target"] == 1
    page.say(type="pause", paused=False)
    for number in range(1, 6):
        boxes, image = page.hear_picture()
        assert boxes["frame"] == number
        assert [target["id"] for target in boxes["targets"]] == [1]
        assert image.mean() == pytest.approx(picture(shade=20 * number).mean(), abs=4)
    assert page.hear() == {"type": "ended", "why": None}
    assert [int(row["frame"]) for row in table(client, page)] == list(range(6))
    (tmp_path / "video.mp4").write_bytes(client.get(f"{page.address}/video.mp4").content)
    with open_source(tmp_path / "video.mp4") as source:
        assert len(list(source)) == 6
        assert source.info.rate == 25


def test_the_server_sends_no_third_frame_before_one_was_shown(client: TestClient, page: Page, tmp_path: Path) -> None:
    client.post(f"{page.address}/upload", content=write_video(tmp_path / "clip.mp4"))
    page.ask(type="upload")
    page.say(type="pause", paused=False)
    for _ in range(2):
        page.socket.receive_bytes()
    time.sleep(0.2)  # five frames' time
    assert page.ask(type="drop", target=9)["type"] == "problem"  # the next message is the answer, not a picture
    page.say(type="shown", frame=0)
    assert page.hear_picture()[0]["frame"] == 2


def text_file(_: Path) -> bytes:
    return b"This is not a video.\n" * 50


def playlist(_: Path) -> bytes:
    """It names a file of the server; FFmpeg would open it."""
    return b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def concatenation(_: Path) -> bytes:
    return b"ffconcat version 1.0\nfile /etc/passwd\n"


def damaged(path: Path) -> bytes:
    return write_video(path / "whole.mp4")[:60]


def large(path: Path) -> bytes:
    return write_video(path / "large.mp4", 1, 704, 400)


def long(path: Path) -> bytes:
    with VideoEncoder(path / "long.mp4", 64, 48, Fraction(1, 2), threads=1) as sink:
        for _ in range(40):
            sink.write(picture())
    return (path / "long.mp4").read_bytes()


def nothing(_: Path) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (text_file, "no video that is taken"),
        (playlist, "no video that is taken"),
        (concatenation, "no video that is taken"),
        (nothing, "no video that is taken"),
        (damaged, "no video in it"),
        (large, "--max-side"),
        (long, "--max-minutes"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_uploads_that_are_not_played(client: TestClient, page: Page, tmp_path: Path, make: object, word: str) -> None:
    assert callable(make)
    assert client.post(f"{page.address}/upload", content=make(tmp_path)).status_code == 200
    answer = page.ask(type="upload")
    assert answer["type"] == "problem"
    assert word in answer["text"]
    assert "\n" not in answer["text"]
    assert str(tmp_path) not in answer["text"]
    assert page.ask(type="webcam")["type"] == "opened"


def test_an_upload_that_is_too_large_leaves_nothing(client: TestClient, page: Page, temporary: Path) -> None:
    def chunks() -> Iterator[bytes]:  # without an announced length
        yield from (bytes(100_000) for _ in range(6))

    for content in (bytes(600_000), chunks()):
        answer = client.post(f"{page.address}/upload", content=content)
        assert answer.status_code == 400
        assert "--max-upload" in answer.text
    assert not [path for path in temporary.rglob("*") if path.is_file() and path.stat().st_size > 1000]
    assert "upload one first" in page.ask(type="upload")["text"]


def test_one_upload_at_a_time(client: TestClient, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_video(tmp_path / "clip.mp4")
    held = Held(Session.disk_use)
    monkeypatch.setattr(Session, "disk_use", held)
    with held.by(lambda: client.post(f"{page.address}/upload", content=content)) as answers:
        assert client.post(f"{page.address}/upload", content=content).status_code == 409
        assert "being uploaded already" in page.ask(type="upload")["text"]
    assert answers[0].status_code == 200
    assert page.ask(type="upload")["type"] == "opened"


def test_an_upload_needs_a_session(client: TestClient) -> None:
    answer = client.post("/sessions/none/upload", content=b"x")
    assert answer.status_code == 404
    assert "reload the page" in answer.text


# Cameras of the server


class TwoFrames(LiveSource):
    """A camera that stalls, gives two frames and is unplugged."""

    is_file = False
    dropped = 0

    def __init__(self) -> None:
        self.info = type("Info", (), {"name": "camera 0", "rate": Fraction(30)})  # type: ignore[assignment]
        self.notice: str | None = "camera 0 stalls"
        self.ended: str | None = None
        self.closed = False
        self._frames = iter([None, 0, 1])

    def poll(self, timeout: float) -> LiveFrame | None:
        try:
            number = next(self._frames)
        except StopIteration:
            self.ended = "camera 0 is gone: connect it again"
            raise
        if number is None:
            return None
        self.notice = None
        return LiveFrame(number, number / 30, picture(), 0.0)

    def __next__(self) -> LiveFrame:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class Faulty(TwoFrames):
    """A camera whose driver has faults that nobody thought of."""

    def poll(self, timeout: float) -> LiveFrame | None:
        raise RuntimeError("out of order")

    def close(self) -> None:
        raise RuntimeError("stuck")


@pytest.fixture
def with_camera(
    tracker: StillTracker, limits: Limits, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[LiveSource], TestClient]:
    """Makes a client of a server that has one camera."""

    def make(camera: LiveSource) -> TestClient:
        monkeypatch.setattr(
            "siamtrack.live.server.connection.open_camera", lambda address: feeds.CameraFeed("camera 0", camera)
        )
        made = service(tracker, limits)
        made.cameras = True
        return TestClient(build_app(made), base_url="http://127.0.0.1", headers={"origin": "http://127.0.0.1"})

    return make


def test_a_camera_with_a_fault_ends_and_the_page_goes_on(with_camera: Callable[[LiveSource], TestClient]) -> None:
    with with_camera(Faulty()) as client, Page.open(client) as page:
        assert page.ask(type="camera", address="0")["type"] == "opened"
        ended = page.hear()
        assert ended["type"] == "ended"
        assert "out of order" in ended["why"]
        assert page.ask(type="webcam")["type"] == "opened"
        assert page.show(0)["type"] == "boxes"


def test_a_camera_of_the_server(with_camera: Callable[[LiveSource], TestClient]) -> None:
    camera = TwoFrames()
    with with_camera(camera) as client:
        with Page.open(client) as page:
            assert page.hello["cameras"] is True
            opened = page.ask(type="camera", address="0")
            assert (opened["type"], opened["name"], opened["paused"]) == ("opened", "camera 0", False)
            assert page.hear() == {"type": "notice", "text": "camera 0 stalls"}
            assert page.hear() == {"type": "notice", "text": None}
            assert [page.hear_picture()[0]["frame"] for _ in range(2)] == [0, 1]
            assert page.hear() == {"type": "ended", "why": "camera 0 is gone: connect it again"}
        assert camera.closed


@pytest.mark.parametrize(
    "address",
    [
        "/etc/passwd",
        "/dev/../etc/passwd",
        "video.mp4",
        "file:///etc/passwd",
        "concat:a|b",
        "*",
        "-1",
        "udp://:8000",
        "tcp://0.0.0.0:8000?listen",
    ],
)
def test_no_file_and_no_port_of_the_server_is_a_camera(address: str) -> None:
    with pytest.raises(UsageError, match="is no camera"):
        feeds.open_camera(address)


@pytest.mark.parametrize("address", ["7", "/dev/video7", "/dev/v4l/by-id/usb", "rtsps://a/b", "HTTP://a", "rtmp://a/b"])
def test_what_is_one_elsewhere_is_one_here(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.io.live.open.open_live", lambda address, timeout: TwoFrames())
    assert feeds.open_camera(address).name == "camera 0"


def test_the_password_of_an_address_is_not_told() -> None:
    with pytest.raises(UsageError, match=r"ftp://me:\*\*\*@host"):
        feeds.open_camera("ftp://me:secret@host/1")


# What is left


def test_a_session_leaves_nothing_behind(client: TestClient, temporary: Path, tmp_path: Path) -> None:
    with Page.open(client) as page:
        page.ask(type="webcam")
        page.show(0)
        page.ask(type="add", frame=0, box=BOX)
        client.post(f"{page.address}/upload", content=write_video(tmp_path / "clip.mp4"))
        client.get(f"{page.address}/video.mp4")
        assert [path for path in temporary.rglob("*") if path.is_file()]
        address = page.address
    until = time.monotonic() + 10
    # os.walk leaves out what disappears meanwhile.
    while len(left := [name for _, folders, files in os.walk(temporary) for name in (*folders, *files)]) > 1:
        assert time.monotonic() < until, left
        time.sleep(0.02)
    assert len(left) == 1  # the folder of the server
    assert client.get(f"{address}/boxes.csv").status_code == 404


def test_the_server_leaves_nothing_behind(
    tracker: StillTracker, limits: Limits, temporary: Path, tmp_path: Path
) -> None:
    app = build_app(service(tracker, limits))
    with TestClient(app, base_url="http://127.0.0.1", headers={"origin": "http://127.0.0.1"}) as client:
        with Page.open(client) as page:
            client.post(f"{page.address}/upload", content=write_video(tmp_path / "clip.mp4"))
        assert list(temporary.iterdir())
    assert list(temporary.iterdir()) == []


def test_pictures_with_boxes_are_recorded_at_the_size_of_the_first(
    client: TestClient, webcam: Page, tmp_path: Path
) -> None:
    """A phone that is turned changes the size of its frames."""
    webcam.show(0)
    webcam.show(1, data=jpeg(picture(48, 64)))
    (tmp_path / "video.mp4").write_bytes(client.get(f"{webcam.address}/video.mp4").content)
    with open_source(tmp_path / "video.mp4") as source:
        images = [frame.image for frame in source if frame.image is not None]
    assert [image.shape for image in images] == [(48, 64, 3)] * 2
    assert np.abs(images[1][:, :8].astype(int)).max() < 12  # black beside the upright picture
