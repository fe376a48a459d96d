from __future__ import annotations

import errno
import json
import math
import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.errors import OutputError, UsageError
from siamtrack.io.results import CsvWriter, JsonWriter, OtbWriter, Row, refuse_inputs
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.tracking.confidence import Status

ROWS = [
    Row(0, 0.0, 1, Box(10, 20.5, 30.25, 40), 1.0, Status.TRACKED),
    Row(1, 1 / 30, 1, Box(-0.00001, 1234.56789, 30, 40), 0.123456, Status.UNCERTAIN),
    Row(2, 2 / 30, 1, None, None, Status.SKIPPED),
    Row(3, 0.1, 1, Box(1, 2, 3, 4), -0.5, Status.LOST),
]

NTSC = Fraction(30000, 1001)


def full(*arguments: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: VideoEncoder(path, 96, 64, Fraction(25)),
        CsvWriter,
        OtbWriter,
        lambda path: JsonWriter(path, {}),
    ],
    ids=["video", "csv", "otb", "json"],
)
class TestWhereItCannotWrite:
    def test_folder_missing(self, tmp_path: Path, opened: Any) -> None:
        with pytest.raises(OutputError, match=r"output folder '.*none' does not exist: create it"):
            opened(tmp_path / "none" / "out.mp4")

    def test_is_a_folder(self, tmp_path: Path, opened: Any) -> None:
        path = tmp_path / "out.mp4"
        path.mkdir()
        with pytest.raises(OutputError, match="is a folder"):
            opened(path)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions stop")
    def test_not_permitted(self, tmp_path: Path, opened: Any) -> None:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(OutputError, match="is not writable"):
            opened(tmp_path / "out.mp4")
        tmp_path.chmod(stat.S_IRWXU)

    def test_not_permitted_simulated(self, tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        def refuse_av(*arguments: object, **options: object) -> None:
            raise av.error.PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(av, "open", refuse_av)
        with pytest.raises(OutputError, match=r"out\.mp4' is not writable \(Permission denied\): choose"):
            opened(tmp_path / "out.mp4")


class TestCsv:
    def test_whole_text(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        with CsvWriter(path) as sink:
            for row in ROWS:
                sink.write(row)
        assert path.read_bytes().decode() == (
            "frame,time,target,x,y,w,h,score,status\n"
            "0,0.000000,1,10.000,20.500,30.250,40.000,1.0000,tracked\n"
            "1,0.033333,1,0.000,1234.568,30.000,40.000,0.1235,uncertain\n"
            "2,0.066667,1,,,,,,skipped\n"
            "3,0.100000,1,1.000,2.000,3.000,4.000,-0.5000,lost\n"
        )

    def test_every_row_is_in_the_file_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        sink = CsvWriter(path)
        for count, row in enumerate(ROWS, 1):
            sink.write(row)
            assert path.read_text().count("\n") == count + 1
        sink.close()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    @pytest.mark.parametrize("kind", [CsvWriter, OtbWriter])
    def test_disk_full(self, tmp_path: Path, kind: type[CsvWriter | OtbWriter]) -> None:
        path = tmp_path / "out.csv"
        path.symlink_to("/dev/full")
        with pytest.raises(OutputError, match=f"disk full: '{path}'"), kind(path) as sink:
            sink.write(ROWS[0])


class TestOtb:
    def test_whole_text_counts_pixels_from_one(self, tmp_path: Path) -> None:
        path = tmp_path / "out.txt"
        with OtbWriter(path) as sink:
            for row in ROWS:
                sink.write(row)
        assert path.read_text() == (
            "11.000,21.500,30.250,40.000\n1.000,1235.568,30.000,40.000\nnan,nan,nan,nan\n2.000,3.000,3.000,4.000\n"
        )
        boxes = np.loadtxt(path, delimiter=",")  # as the toolkits read it
        assert Box.from_one_based(*boxes[0]) == ROWS[0].box

    def test_a_second_target_has_no_place(self, tmp_path: Path) -> None:
        with OtbWriter(tmp_path / "out.txt") as sink:
            sink.write(ROWS[0])
            with pytest.raises(UsageError, match="holds one target"):
                sink.write(Row(0, 0.0, 2, None, None, Status.SKIPPED))


class TestJson:
    HEADER: ClassVar[dict[str, Any]] = {
        "source": {"path": Path("a/b.mp4"), "rate": NTSC},
        "settings": {"scales": 3, "window": np.float32(0.5)},
        "odd": [math.nan, math.inf, np.int64(7), (1, None, True), "Größe"],
    }

    def test_whole_object(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        with JsonWriter(path, self.HEADER) as sink:
            for row in ROWS[1:3]:
                sink.write(row)
            sink.finish({"stages": {"decode": 1.5}})
            sink.finish({"frames_per_second": 20})
        assert json.loads(path.read_text("utf-8")) == {
            "source": {"path": str(Path("a/b.mp4")), "rate": "30000/1001"},
            "settings": {"scales": 3, "window": 0.5},
            "odd": [None, None, 7, [1, None, True], "Größe"],
            "frames": [
                {
                    "frame": 1,
                    "time": 0.033333,
                    "target": 1,
                    "x": 0.0,
                    "y": 1234.568,
                    "w": 30.0,
                    "h": 40.0,
                    "score": 0.1235,
                    "status": "uncertain",
                },
                {
                    "frame": 2,
                    "time": 0.066667,
                    "target": 1,
                    "x": None,
                    "y": None,
                    "w": None,
                    "h": None,
                    "score": None,
                    "status": "skipped",
                },
            ],
            "stages": {"decode": 1.5},
            "frames_per_second": 20,
        }
        assert list(tmp_path.iterdir()) == [path]
        assert "NaN" not in path.read_text("utf-8")

    @pytest.mark.parametrize("rows", [0, 1, 4])
    @pytest.mark.parametrize("header", [{}, {"a": 1}])
    def test_valid_whatever_is_in_it(self, tmp_path: Path, rows: int, header: dict[str, Any]) -> None:
        path = tmp_path / "out.json"
        with JsonWriter(path, header) as sink:
            for row in ROWS[:rows]:
                sink.write(row)
        content = json.loads(path.read_text())
        assert len(content.pop("frames")) == rows
        assert content == header

    def test_complete_after_an_interruption(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"

        def work() -> None:
            with JsonWriter(path, {"a": 1}) as sink:
                sink.write(ROWS[0])
                sink.write(ROWS[1])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            work()
        assert [row["frame"] for row in json.loads(path.read_text())["frames"]] == [0, 1]

    def test_valid_when_interrupted_within_a_row(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.json"
        sink = JsonWriter(path, {})
        put = sink._put

        def put_and_interrupt(text: str) -> None:
            put(text)
            raise KeyboardInterrupt

        monkeypatch.setattr(sink, "_put", put_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            sink.write(ROWS[0])
        monkeypatch.undo()
        sink.write(ROWS[1])
        sink.close()
        assert [row["frame"] for row in json.loads(path.read_text())["frames"]] == [0, 1]

    def test_an_old_result_stays_until_the_new_one_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        path.write_text("old")
        sink = JsonWriter(path, {})
        sink.write(ROWS[0])
        assert path.read_text() == "old"
        sink.close()
        assert json.loads(path.read_text())["frames"][0]["frame"] == 0

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "link.json").symlink_to(tmp_path / "out.json")
        with JsonWriter(tmp_path / "link.json", {}) as sink:
            sink.write(ROWS[0])
        assert (tmp_path / "link.json").is_symlink()
        assert len(json.loads((tmp_path / "out.json").read_text())["frames"]) == 1

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
    def test_a_pipe_or_a_device_is_refused_and_stays(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path(os.devnull)):
            with pytest.raises(UsageError, match="a device or a pipe"):
                JsonWriter(path, {})
            assert path.exists()
            assert not path.is_file()

    def test_a_field_is_given_once(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="'frames' is there already"):
            JsonWriter(tmp_path / "out.json", {"frames": []})
        with JsonWriter(tmp_path / "out.json", {"stages": 1}) as sink, pytest.raises(UsageError, match="'stages'"):
            sink.finish({"stages": 2})

    def test_disk_full_at_the_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.json"
        sink = JsonWriter(path, {})
        sink.write(ROWS[0])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=f"disk full: '{path}'"):
            sink.close()
        assert not path.exists()
        assert '"status": "tracked"' in (tmp_path / ".out.json.partial").read_text()


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    source, other, link = tmp_path / "in.mp4", tmp_path / "other.mp4", tmp_path / "link.mp4"
    source.touch()
    other.touch()
    link.symlink_to(source)
    refuse_inputs(other, [source])
    refuse_inputs(tmp_path / "new.mp4", [source])
    for output in (source, link, tmp_path / "." / "in.mp4"):
        with pytest.raises(UsageError, match="is the input"):
            refuse_inputs(output, [other, source])
