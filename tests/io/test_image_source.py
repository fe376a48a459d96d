from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rendering import HEIGHT, WIDTH, numbered, read, shown

from siamtrack.errors import SourceError, UsageError
from siamtrack.io import image_source
from siamtrack.io.frames import DEFAULT_RATE
from siamtrack.io.images import read_image
from siamtrack.io.sources import open_source


class TestImages:
    def test_a_folder_is_read_in_natural_order(self, folder: Path) -> None:
        with open_source(str(folder)) as source:
            assert source.info.rate == DEFAULT_RATE
            assert (source.info.width, source.info.height, source.info.count) == (WIDTH, HEIGHT, 12)
            assert [path.stem for path in source.info.files] == [f"frame{index}" for index in range(12)]
            frames = list(source)
        assert [frame.index for frame in frames] == list(range(12))
        assert shown(frames) == list(range(12))
        assert [frame.time for frame in frames] == [index / 30 for index in range(12)]

    def test_a_glob_is_read_in_natural_order(self, folder: Path) -> None:
        frames, _ = read(f"{folder}/frame?.*")
        assert shown(frames) == list(range(10))

    def test_a_folder_with_brackets_in_its_name_is_no_glob(self, folder: Path) -> None:
        renamed = folder.rename(folder.with_name("take [1]"))
        assert len(read(renamed)[0]) == 12

    def test_one_image_is_one_frame(self, folder: Path) -> None:
        frames, _ = read(folder / "frame7.PNG")
        assert shown(frames) == [7]
        assert (frames[0].index, frames[0].time) == (0, 0.0)

    def test_start_and_end(self, folder: Path) -> None:
        with open_source(folder, 9, 11) as source:
            assert source.expected == 2
            frames = list(source)
        assert [(frame.index, frame.time) for frame in frames] == [(9, 0.3), (10, 10 / 30)]
        assert shown(frames) == [9, 10]

    def test_start_beyond_the_end(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"start 12 is beyond the end: .* has 12 frames"):
            open_source(folder, 12)

    def test_images_leaves_out_what_cannot_be_decoded(self, folder: Path) -> None:
        (folder / "frame5.PNG").write_bytes(b"no picture")
        with open_source(folder) as source:
            frames = [frame for frame in source if frame.image is not None]
        with open_source(folder) as source:
            images = list(source.images())
        assert len(images) == len(frames) == 11
        assert all(np.array_equal(image, frame.image) for image, frame in zip(images, frames, strict=True))

    def test_sizes_may_change(self, folder: Path) -> None:
        cv2.imwrite(str(folder / "frame5.PNG"), np.zeros((30, 50, 3), np.uint8))
        sizes = [frame.image.shape[:2] for frame in read(folder)[0] if frame.image is not None]
        assert sizes == [(30, 50) if index == 5 else (HEIGHT, WIDTH) for index in range(12)]

    def test_frames_that_cannot_be_decoded_are_told_and_passed_over(self, folder: Path) -> None:
        (folder / "frame0.png").write_bytes(b"")
        (folder / "frame4.png").write_bytes(b"no image")
        with open_source(folder) as source:
            assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
            frames = list(source)
        assert shown(frames) == [None, 1, 2, 3, None, *range(5, 12)]
        assert source.warnings == [f"{folder}: 2 frames could not be decoded, the first is frame 0"]

    def test_a_frame_that_disappears_is_passed_over(self, folder: Path) -> None:
        with open_source(folder) as source:
            (folder / "frame9.PNG").unlink()  # not one of those that are decoded ahead
            frames = list(source)
        assert shown(frames) == [*range(9), None, 10, 11]
        assert "No such file" in source.warnings[0]

    def test_closing_ends_the_iteration(self, folder: Path) -> None:
        source = open_source(folder)
        next(source)
        source.close()
        assert list(source) == []

    def test_gray_and_16_bit_frames_are_converted(self, tmp_path: Path) -> None:
        gray = numbered(9)[..., 1]
        cv2.imwrite(str(tmp_path / "1.png"), gray)
        cv2.imwrite(str(tmp_path / "2.png"), gray.astype(np.uint16) * 257)
        for frame in read(tmp_path)[0]:
            np.testing.assert_array_equal(frame.image, np.dstack([gray] * 3))


class TestThreads:
    """Images are decoded ahead on two threads here."""

    @pytest.fixture(autouse=True)
    def _two_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(image_source, "usable_cores", lambda: 2)

    def test_order_is_kept_where_a_later_image_is_decoded_first(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second_done = threading.Event()

        def read_second_first(file: Path) -> NDArray[np.uint8] | None:
            if file.stem == "frame0":
                assert second_done.wait(30)
            image = read_image(file)
            if file.stem == "frame1":
                second_done.set()
            return image

        monkeypatch.setattr(image_source, "read_image", read_second_first)
        assert shown(read(folder)[0]) == list(range(12))

    def test_few_images_are_held(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        begun: list[str] = []

        def note(file: Path) -> NDArray[np.uint8] | None:
            begun.append(file.stem)
            return read_image(file)

        monkeypatch.setattr(image_source, "read_image", note)
        with open_source(folder) as source:
            for taken, _ in enumerate(source, 1):
                assert taken <= len(begun) <= taken + 3
        assert source.seconds > 0

    def test_an_error_that_is_no_damage_comes_out(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def run_out(file: Path) -> NDArray[np.uint8] | None:
            if file.stem == "frame5":
                raise MemoryError
            return read_image(file)

        monkeypatch.setattr(image_source, "read_image", run_out)
        with open_source(folder) as source:
            assert shown([next(source) for _ in range(5)]) == list(range(5))
            with pytest.raises(MemoryError):
                next(source)

    @pytest.mark.parametrize("taken", [0, 2, 12])
    def test_no_thread_is_left(self, folder: Path, taken: int) -> None:
        with open_source(folder) as source:
            for _ in range(taken):
                next(source)
            assert _decoders()
        assert _decoders() == []

    def test_no_thread_is_left_where_nothing_can_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "1.png").write_bytes(b"no image")
        with pytest.raises(SourceError):
            open_source(tmp_path)
        assert _decoders() == []


def _decoders() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("siamtrack")]
