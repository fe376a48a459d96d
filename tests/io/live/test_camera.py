from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import index_of, numbered

from siamtrack.errors import SourceError
from siamtrack.io.live import camera
from siamtrack.io.live.camera import CameraCapture, is_camera, open_camera, sensible_rate
from siamtrack.io.live.latest import LatestFrames

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device files are Linux's")
EMPTY = np.zeros((0, 0, 3), np.uint8)


class Device:
    """A camera that shows these pictures and then none; an error is one of OpenCV's."""

    def __init__(self, *pictures: int | np.ndarray[Any, Any] | cv2.error | None, rate: float = 30.0) -> None:
        self._pictures = iter(pictures)
        self._rate = rate
        self.released = False

    def read(self) -> tuple[bool, Any]:
        picture = next(self._pictures, None)
        if isinstance(picture, cv2.error):
            raise picture
        return picture is not None, numbered(picture) if isinstance(picture, int) else picture

    def get(self, propId: int) -> float:
        assert propId == cv2.CAP_PROP_FPS
        return self._rate

    def release(self) -> None:
        self.released = True


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "PAUSE", 0.0)


def there() -> bool:
    return True


def gone() -> bool:
    return False


class TestPictures:
    def test_they_come_as_the_driver_gives_them(self) -> None:
        device = Device(*range(3))
        capture = CameraCapture("camera 0", device, there, 10)
        images = [capture.read() for _ in range(3)]
        assert [index_of(image) for image in images if image is not None] == [0, 1, 2]
        capture.close()
        assert device.released

    def test_gray_pictures_become_bgr(self) -> None:
        image = CameraCapture("camera 0", Device(np.full((4, 6), 9, np.uint8)), there, 10).read()
        assert image is not None
        assert image.shape == (4, 6, 3)

    @pytest.mark.parametrize("damaged", [None, EMPTY, cv2.error("broken JPEG")])
    def test_a_damaged_one_is_passed_over(self, damaged: Any) -> None:
        capture = CameraCapture("camera 0", Device(5, damaged, damaged, 6), there, 10)
        images = [capture.read() for _ in range(4)]
        assert [None if image is None else index_of(image) for image in images] == [5, None, None, 6]


class TestTheEnd:
    def test_an_unplugged_camera_ends_at_once(self) -> None:
        device = Device(0)
        with LatestFrames("camera 0", CameraCapture("camera 0", device, gone, 10)) as source:
            assert [frame.index for frame in source] == [0]
            assert source.ended == "camera 0 gives no more pictures: it was unplugged, or its driver stopped"
        assert device.released

    def test_one_that_is_still_there_is_given_ten_readings(self) -> None:
        capture = CameraCapture("camera 0", Device(0), there, 10)
        capture.read()
        assert [capture.read() for _ in range(9)] == [None] * 9
        with pytest.raises(SourceError, match="gives no more pictures"):
            capture.read()

    def test_or_as_long_as_the_time_out(self) -> None:
        with pytest.raises(SourceError, match="gives no picture: another program may use it"):
            CameraCapture("camera 0", Device(), there, 1e-9).read()

    def test_empty_pictures_are_told(self) -> None:
        with pytest.raises(SourceError, match="camera 0 gives empty pictures: unplug it"):
            LatestFrames("camera 0", CameraCapture("camera 0", Device(*[EMPTY] * 10), there, 10))


class TestRate:
    @pytest.mark.parametrize(
        ("stated", "rate"),
        [
            (30.0, Fraction(30)),
            (29.97002997, Fraction(30000, 1001)),
            (7.5, Fraction(15, 2)),
            (0.0, Fraction(30)),
            (-1.0, Fraction(30)),
            (math.nan, Fraction(30)),
            (math.inf, Fraction(30)),
            (90000.0, Fraction(30)),
        ],
    )
    def test_what_no_camera_does_is_thirty(self, stated: float, rate: Fraction) -> None:
        assert CameraCapture("camera 0", Device(rate=stated), there, 10).rate == rate

    @given(st.floats())
    def test_it_is_always_one_that_a_video_can_have(self, stated: float) -> None:
        assert 0 < sensible_rate(stated) <= 1000


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("0", True),
        ("12", True),
        ("/dev/video2", True),
        ("/dev/v4l/by-id/usb", True),
        ("-1", False),
        ("0.mp4", False),
        ("123456789", False),
        ("./0", False),
        ("rtsp://host/0", False),
        ("", False),
    ],
)
def test_what_is_a_camera(source: str, expected: bool) -> None:
    assert is_camera(source) is expected


@linux
class TestErrors:
    @pytest.fixture(autouse=True)
    def devices(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that stands for /dev."""
        monkeypatch.setattr(camera, "DEVICES", tmp_path)
        return tmp_path

    @staticmethod
    def refusal(source: str) -> str:
        with pytest.raises(SourceError) as caught:
            open_camera(source, 1)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_a_number_that_does_not_exist_names_those_that_do(self, devices: Path) -> None:
        for name in ("video0", "video10", "video2", "videoX", "null"):
            (devices / name).touch()
        message = "there is no camera 99 (cameras here: 0, 2, 10); plug one in, or give a stream's address"
        assert message in self.refusal("99")

    def test_no_camera_at_all(self) -> None:
        assert "there is no camera 0 (cameras here: none)" in self.refusal("0")

    def test_a_device_file_that_does_not_exist(self, devices: Path) -> None:
        assert f"there is no camera {devices}/video3 (cameras here: none)" in self.refusal(f"{devices}/video3")

    def test_permission_denied_names_the_group(self, devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (devices / "video0").touch()
        monkeypatch.setattr(os, "access", lambda *_: False)
        message = self.refusal("0")
        assert message.startswith(f"permission denied on {devices}/video0: add yourself to the group video (sudo")

    def test_a_file_that_is_no_camera(self, devices: Path) -> None:
        (devices / "video0").touch()
        assert "camera 0 cannot be opened: another program uses it, or it is no camera" in self.refusal("0")

    def test_opencv_says_nothing_meanwhile(self, tmp_path: Path) -> None:
        (tmp_path / "video0").touch()
        code = f"""if True:
            from pathlib import Path
            from siamtrack.io.live import camera
            from siamtrack.errors import SourceError
            camera.DEVICES = Path({str(tmp_path)!r})
            for source in ("0", "99", "/dev/null"):
                try:
                    camera.open_camera(source, 1)
                except SourceError:
                    pass
        """
        environment = {name: value for name, value in os.environ.items() if name != "OPENCV_LOG_LEVEL"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert (done.stdout, done.stderr) == ("", "")
