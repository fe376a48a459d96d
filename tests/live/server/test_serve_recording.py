"""The video and the table that a session leaves behind."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from serving_clients import picture

from siamtrack.boxes import Box
from siamtrack.errors import OutputError, UsageError
from siamtrack.io.frames import Frame
from siamtrack.io.results import CSV_HEADER, Row
from siamtrack.io.sources import open_source
from siamtrack.io.video.annotated import ElapsedClock, EveryFrame
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.live.server.recording import PageRecording
from siamtrack.tracking.confidence import Status

RATE = Fraction(30000, 1001)


def row(index: int) -> Row:
    return Row(index, index / 30, 1, Box(10, 12, 20, 16), 0.5, Status.TRACKED)


def write(recording: PageRecording, *indices: int) -> None:
    for index in indices:
        recording.write(Frame(index, index / 30, picture(shade=10 * index)), [row(index)])


def shades(path: Path) -> tuple[list[int], Fraction]:
    """The color of each frame's corner."""
    with open_source(path) as source:
        return [
            round(float(frame.image[-8:, -8:].mean())) for frame in source if frame.image is not None
        ], source.info.rate


def test_every_frame_of_a_file_is_in_the_video_once(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", EveryFrame(RATE))
    write(recording, *range(20))
    recording.export_video(tmp_path / "video.mp4")
    found, rate = shades(tmp_path / "video.mp4")
    recording.close()
    assert rate == RATE
    assert found == [pytest.approx(10 * index, abs=4) for index in range(20)]


def test_it_can_be_asked_for_at_any_time_and_goes_on(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", EveryFrame(RATE))
    for begin, end in ((0, 7), (7, 8), (8, 9), (9, 20)):  # parts of one frame too
        write(recording, *range(begin, end))
        recording.export_video(tmp_path / "video.mp4")
        found, rate = shades(tmp_path / "video.mp4")
        assert rate == RATE
        assert found == [pytest.approx(10 * index, abs=4) for index in range(end)]
        recording.export_csv(tmp_path / "boxes.csv")
        with (tmp_path / "boxes.csv").open() as file:
            assert [int(line["frame"]) for line in csv.DictReader(file)] == list(range(end))
    recording.close()


def test_the_table_is_that_of_track(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", ElapsedClock())
    write(recording, 3)
    recording.close()
    recording.export_csv(tmp_path / "boxes.csv")
    assert (tmp_path / "boxes.csv").read_text() == (
        f"{CSV_HEADER}\n3,0.100000,1,10.000,12.000,20.000,16.000,0.5000,tracked\n"
    )


def test_a_frame_that_could_not_be_decoded_repeats_the_one_before(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", EveryFrame(RATE))
    write(recording, 5)
    recording.write(Frame(6, 0.2, None), [Row(6, 0.2, 1, None, None, Status.SKIPPED)])
    recording.export_video(tmp_path / "video.mp4")
    assert shades(tmp_path / "video.mp4")[0] == [pytest.approx(50, abs=4)] * 2
    recording.close()


def test_boxes_are_drawn(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", EveryFrame(RATE))
    write(recording, 0)
    recording.export_video(tmp_path / "video.mp4")
    with open_source(tmp_path / "video.mp4") as source:
        image = next(source).image
    recording.close()
    assert image is not None
    assert np.abs(image.astype(int) - picture(shade=0)).max() > 80


def test_without_a_frame_there_is_no_video(tmp_path: Path) -> None:
    recording = PageRecording(tmp_path / "recording", ElapsedClock())
    with pytest.raises(UsageError, match="no video yet"):
        recording.export_video(tmp_path / "video.mp4")
    recording.close()


def test_a_part_that_cannot_be_finished_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: VideoEncoder) -> None:
        raise OutputError("disk full")

    recording = PageRecording(tmp_path / "recording", EveryFrame(Fraction(10)))
    write(recording, 0, 1)
    recording.export_video(tmp_path / "video.mp4")
    write(recording, 2, 3, 4)
    with monkeypatch.context() as context:
        context.setattr(VideoEncoder, "close", fail)
        with pytest.raises(OutputError, match=r"last 0\.3 seconds of the video are lost: disk full"):
            recording.export_video(tmp_path / "video.mp4")
    recording.export_video(tmp_path / "video.mp4")
    assert shades(tmp_path / "video.mp4")[0] == [pytest.approx(10 * index, abs=4) for index in (0, 1)]
    write(recording, 5)
    recording.export_video(tmp_path / "video.mp4")
    assert shades(tmp_path / "video.mp4")[0] == [pytest.approx(10 * index, abs=4) for index in (0, 1, 5)]
    recording.close()


def test_files_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        PageRecording(tmp_path / "nowhere" / "recording", ElapsedClock())
    recording = PageRecording(tmp_path / "recording", ElapsedClock())
    with pytest.raises(OutputError, match=r"boxes\.csv"):
        recording.export_csv(tmp_path / "nowhere" / "boxes.csv")
    recording.close()


def test_elapsed_clock_keeps_the_duration() -> None:
    clock = ElapsedClock()  # 20 frames per second
    assert [clock.places(time) for time in (0.0, 0.1, 0.2, 0.21, 0.22, 0.25)] == [1, 2, 2, 0, 0, 1]


@pytest.mark.parametrize("rate", [5, 7, 12.5, 20, 29.97, 60])
def test_elapsed_clock_at_any_rate(rate: float) -> None:
    clock = ElapsedClock()
    written = sum(clock.places(index / rate) for index in range(round(10 * rate) + 1))
    assert written == pytest.approx(200, abs=2)


def test_elapsed_clock_limits_a_pause_to_a_second() -> None:
    clock = ElapsedClock()
    clock.places(0.0)
    assert clock.places(1e9) == 20
    assert clock.places(1e9 + 0.05) in (0, 1, 2)
    assert clock.places(3.0) == 0  # a clock that runs backwards
