"""`siamtrack track` with bad input: one clear line, the right exit code, and no lost file."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command_clips import HEIGHT, WIDTH, Clip, Outcome, Run, read_rows, read_video, render, write_video
from safetensors.numpy import save_file

from siamtrack.boxes import iou

USAGE, FAILED = 2, 1


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    """Check the exit code, and that the error is one line with these words."""
    assert outcome.out == ""
    assert outcome.err.startswith("siamtrack: error: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err
    assert outcome.code == code


# Sources


def empty_folder(path: Path) -> None:
    path.mkdir()


def folder_of_other_files(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("no images here")


def folder_of_broken_images(path: Path) -> None:
    path.mkdir()
    (path / "0.png").write_bytes(b"not a png")


def text(path: Path) -> None:
    path.write_text("This is not a video.\n" * 50)


def no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        container.start_encoding()


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def without_index(path: Path) -> None:
    """Write the file of a recorder that lost its power: the index at the end is missing."""
    write_video(path, render(20)[0], flags="-faststart")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def nothing(path: Path) -> None:
    """Write nothing."""


@pytest.mark.parametrize(
    ("name", "make", "word"),
    [
        ("missing.mp4", nothing, "does not exist"),
        ("missing/*.png", nothing, "matches nothing"),
        ("folder", empty_folder, "has no images"),
        ("folder", folder_of_other_files, "has no images"),
        ("folder", folder_of_broken_images, "damaged"),
        ("text.mp4", text, "cannot open"),
        ("empty.mp4", no_bytes, "cannot open"),
        ("no-frames.mp4", no_frames, ""),
        ("sound.mp4", sound_only, "no video"),
        ("cut.mp4", without_index, "cannot open"),
        ("image.png", text, "damaged"),
    ],
)
def test_track_names_a_source_without_frames(
    track: Run, tmp_path: Path, name: str, make: Callable[[Path], None], word: str
) -> None:
    make(tmp_path / name)
    table = tmp_path / "boxes.csv"
    assert_one_line(track(tmp_path / name, "--box", "1,2,30,40", "--csv", table), FAILED, name, word)
    assert not table.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_track_names_an_unreadable_source(track: Run, clip: Clip, tmp_path: Path) -> None:
    source = tmp_path / "secret.mp4"
    shutil.copy(clip.path, source)
    source.chmod(0)
    assert_one_line(track(source, "--box", clip.box), FAILED, "secret.mp4", "ermission")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--start", "16"), ("start 16", "16 frames")),
        (("--start", "3", "--end", "3"), ("end 3", "start 3")),
        (("--start", "-1"), ("start -1",)),
        (("--end", "0"), ("end 0",)),
        (("--end", "many"), ("--end", "integer")),
    ],
)
def test_track_names_a_span_without_frames(
    track: Run, clip: Clip, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_one_line(track(clip.path, "--box", clip.box, *arguments), USAGE, *words)


def test_track_keeps_the_results_of_a_truncated_video_and_says_so(track: Run, tmp_path: Path) -> None:
    source, table, video = tmp_path / "cut.mp4", tmp_path / "boxes.csv", tmp_path / "out.mp4"
    frames, boxes = render(30)
    write_video(source, frames)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    box = ",".join(f"{value:g}" for value in boxes[0])
    outcome = track(source, "--box", box, "--csv", table, "--output", video)
    assert outcome.code == 0
    assert outcome.err.startswith("siamtrack: warning: ")
    assert "of 30 frames" in outcome.err
    rows = read_rows(table)
    assert 10 < len(rows) < 30
    assert len(read_video(video)[0]) == len(rows)


def test_track_writes_a_skipped_row_for_a_broken_frame(track: Run, images: Clip, tmp_path: Path) -> None:
    (images.path / "2.png").write_bytes(b"not a png")
    table, video, report = tmp_path / "boxes.csv", tmp_path / "out.mp4", tmp_path / "boxes.json"
    outputs = ("--csv", table, "--output", video, "--json", report)
    outcome = track(images.path, "--box", images.box, *outputs)
    assert outcome.code == 0
    assert "frame 2" in outcome.err
    assert "(1 skipped)" in outcome.out
    rows = read_rows(table)
    assert [row["status"] for row in rows].count("skipped") == 1
    assert list(rows[2].values()) == ["2", f"{2 / 30:.6f}", "1", "", "", "", "", "", "skipped"]
    found = [[float(rows[i][key]) for key in "xywh"] for i in (3, 4, 5)]
    assert iou(np.array(found), np.array(images.boxes[3:])).min() > 0.6
    assert len(read_video(video)[0]) == 6
    assert json.loads(report.read_text())["run"]["skipped"] == 1


def test_track_refuses_a_broken_first_frame(track: Run, images: Clip, tmp_path: Path) -> None:
    for name in ("0.png", "1.png"):
        (images.path / name).write_bytes(b"not a png")
    outcome = track(images.path, "--box", images.box)
    assert_one_line(outcome, FAILED, "frame 0", "--start 2")


def test_track_with_frames_of_several_sizes(track: Run, images: Clip, tmp_path: Path) -> None:
    last = images.path / "5.png"
    cv2.imwrite(str(last), cv2.resize(cv2.imread(str(last)), (WIDTH // 2, HEIGHT)))
    table, video = tmp_path / "boxes.csv", tmp_path / "out.mp4"
    assert track(images.path, "--box", images.box, "--csv", table, "--output", video).code == 0
    assert len(read_rows(table)) == 6
    assert {frame.shape for frame in read_video(video)[0]} == {(HEIGHT, WIDTH, 3)}


def test_track_with_gray_transparent_and_16_bit_images(track: Run, images: Clip, tmp_path: Path) -> None:
    def convert(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        path = str(images.path / name)
        cv2.imwrite(path, change(cv2.imread(path)))

    convert("1.png", lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    convert("2.png", lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA))
    convert("3.png", lambda image: image.astype(np.uint16) * 257)
    table = tmp_path / "boxes.csv"
    assert track(images.path, "--box", images.box, "--csv", table).code == 0
    found = [[float(row[key]) for key in "xywh"] for row in read_rows(table)]
    assert iou(np.array(found), np.array(images.boxes)).min() > 0.6


# Boxes


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("1,2,3", ("1,2,3", "3 numbers", "X,Y,W,H")),
        ("1,2,3,4,5", ("5 numbers",)),
        ("", ("X,Y,W,H",)),
        ("a,b,c,d", ("a,b,c,d", "X,Y,W,H")),
        ("nan,2,30,40", ("nan", "finite")),
        ("1,2,inf,40", ("inf", "finite")),
        ("10,10,0,40", ("empty",)),
        ("10,10,40,-3", ("empty",)),
        ("10,10,1,1", ("too small",)),
        (f"{WIDTH},10,30,30", ("outside", f"{WIDTH}x{HEIGHT}")),
        ("-40,10,30,30", ("outside",)),
        (f"0,0,{WIDTH + 1},{HEIGHT}", ("larger than the frame", f"{WIDTH}x{HEIGHT}")),
    ],
)
def test_track_refuses_impossible_boxes(
    track: Run, clip: Clip, tmp_path: Path, box: str, words: tuple[str, ...]
) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("results of yesterday")
    assert_one_line(track(clip.path, "--box", clip.box, f"--box={box}", "--csv", table), USAGE, "box", *words)
    assert table.read_text() == "results of yesterday"


def test_track_needs_a_box_or_a_display(run: Run, clip: Clip) -> None:
    assert_one_line(run("track", clip.path), USAGE, "--box", "display")


def test_track_refuses_to_show_without_a_display(track: Run, clip: Clip) -> None:
    assert_one_line(track(clip.path, "--box", clip.box, "--show"), USAGE, "--show", "display")


# Models


def test_track_names_the_nearest_of_an_unknown_model(run: Run, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.models.registry.list_models", lambda: ["siamtrack-lite", "siamfc-alexnet"])
    outcome = run("track", clip.path, "--box", clip.box, "--no-video", "--model", "siamfc-alexnt")
    assert_one_line(outcome, USAGE, "'siamfc-alexnt'", "did you mean 'siamfc-alexnet'")


def corrupt(path: Path, weights: Path) -> None:
    path.write_bytes(weights.read_bytes()[:5000])


def foreign(path: Path, _: Path) -> None:
    save_file({"something.else": np.zeros(3, np.float32)}, path)


def not_weights(path: Path, _: Path) -> None:
    path.write_text("hello")


@pytest.mark.parametrize("name", ["file.safetensors", "file.pth"])
@pytest.mark.parametrize("make", [corrupt, foreign, not_weights])
def test_track_refuses_files_that_are_not_weights(
    run: Run, clip: Clip, weights: Path, tmp_path: Path, make: Callable[[Path, Path], None], name: str
) -> None:
    path, table = tmp_path / name, tmp_path / "boxes.csv"
    make(path, weights)
    outcome = run("track", clip.path, "--box", clip.box, "--no-video", "--csv", table, "--model", path)
    assert_one_line(outcome, FAILED, str(path))
    assert not table.exists()


def test_track_names_an_unknown_choice(run: Run, clip: Clip) -> None:
    outcome = run("track", clip.path, "--box", "1,2,30,30", "--runtime", "tpu")
    choices = "'--runtime': 'tpu' is not one of 'auto', 'torch', 'openvino', 'onnx' (see siamtrack track --help)"
    assert_one_line(outcome, USAGE, f"error: Invalid value for {choices}")


def test_track_refuses_zero_threads(run: Run, clip: Clip, weights: Path) -> None:
    outcome = run("track", clip.path, "--box", clip.box, "--no-video", "--model", weights, "--threads", 0)
    assert_one_line(outcome, USAGE, "0 threads")


def test_track_names_a_missing_device(track: Run, clip: Clip) -> None:
    assert_one_line(track(clip.path, "--box", clip.box, "--device", "tpu"), USAGE, "--device", "tpu")
    import torch

    if not torch.cuda.is_available():
        assert_one_line(track(clip.path, "--box", clip.box, "--device", "cuda"), USAGE, "cuda", "cpu")


# Outputs


@pytest.mark.parametrize("option", ["--output", "--csv", "--json", "--otb"])
def test_track_names_a_missing_output_folder(track: Run, clip: Clip, tmp_path: Path, option: str) -> None:
    path = tmp_path / "missing" / "out.mp4"
    assert_one_line(track(clip.path, "--box", clip.box, option, path), USAGE, option, str(path.parent), "not exist")


@pytest.mark.parametrize("option", ["--output", "--csv", "--json", "--otb"])
def test_track_refuses_a_folder_as_output(track: Run, clip: Clip, tmp_path: Path, option: str) -> None:
    assert_one_line(track(clip.path, "--box", clip.box, option, tmp_path), USAGE, option, "is a folder")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
@pytest.mark.parametrize(("option", "name"), [("--output", "o.mp4"), ("--csv", "o.csv"), ("--json", "o.json")])
def test_track_names_an_output_folder_that_is_not_writable(track: Run, clip: Clip, option: str, name: str) -> None:
    path = f"/proc/self/{name}"
    assert_one_line(track(clip.path, "--box", clip.box, option, path), FAILED, path)


@pytest.mark.parametrize("way", ["itself", "relative", "symbolic link", "hard link"])
def test_track_never_overwrites_the_source(track: Run, clip: Clip, tmp_path: Path, way: str) -> None:
    source = tmp_path / "source.mp4"
    shutil.copy(clip.path, source)
    output: Path | str = tmp_path / "link.mp4"
    if way == "itself":
        output = source
    elif way == "relative":
        output = os.path.relpath(source)
    elif way == "symbolic link":
        Path(output).symlink_to(source)
    else:
        Path(output).hardlink_to(source)
    assert_one_line(track(source, "--box", clip.box, "--output", output), USAGE, str(output), "input")
    assert source.read_bytes() == clip.path.read_bytes()


def test_track_never_overwrites_an_image_of_the_source(track: Run, images: Clip) -> None:
    target = images.path / "3.png"
    before = target.read_bytes()
    assert_one_line(track(images.path, "--box", images.box, "--csv", target), USAGE, "3.png", "input")
    assert target.read_bytes() == before


def test_track_never_overwrites_the_weights(track: Run, clip: Clip, weights: Path) -> None:
    before = weights.read_bytes()
    assert_one_line(track(clip.path, "--box", clip.box, "--json", weights), USAGE, weights.name, "input")
    assert weights.read_bytes() == before


def test_track_refuses_one_file_for_two_outputs(track: Run, clip: Clip, tmp_path: Path) -> None:
    outcome = track(clip.path, "--box", clip.box, "--csv", tmp_path / "out", "--json", tmp_path / "." / "out")
    assert_one_line(outcome, USAGE, "--csv", "--json", "same file")
    assert not (tmp_path / "out").exists()


def test_track_refuses_a_video_and_no_video(run: Run, clip: Clip) -> None:
    outcome = run("track", clip.path, "--box", clip.box, "--no-video", "--output", "out.mp4")
    assert_one_line(outcome, USAGE, "--no-video", "--output")


def test_track_names_an_unknown_video_extension(track: Run, clip: Clip, tmp_path: Path) -> None:
    assert_one_line(track(clip.path, "--box", clip.box, "--output", tmp_path / "out.png"), USAGE, "out.png", ".mp4")


def test_track_refuses_otb_text_for_two_targets(track: Run, clip: Clip, tmp_path: Path) -> None:
    outcome = track(clip.path, "--box", clip.box, "--box", "1,2,30,40", "--otb", tmp_path / "out.txt")
    assert_one_line(outcome, USAGE, "--otb", "--csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_track_names_a_full_disk(track: Run, clip: Clip, tmp_path: Path) -> None:
    outcome = track(clip.path, "--box", clip.box, "--csv", "/dev/full")
    assert_one_line(outcome, FAILED, "/dev/full", "disk full")


def test_track_keeps_the_table_when_the_video_does_not_fit(weights: Path, tmp_path: Path) -> None:
    source, table, video = tmp_path / "noise.mp4", tmp_path / "boxes.csv", tmp_path / "out.mp4"
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(60)]
    write_video(source, noise, Fraction(25))
    outputs = ("--output", video, "--csv", table)
    done = subprocess.run(
        [sys.executable, "-m", "siamtrack", "track", source, "--box=20,20,40,40", "--model", weights, *outputs],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert_one_line(Outcome(done.returncode, done.stdout, done.stderr), FAILED, str(video))
    rows = read_rows(table)
    assert rows
    assert all(None not in row.values() for row in rows)


# The command line itself


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("track",), ("SOURCE", "siamtrack track --help")),
        (("track", "a.mp4", "--bax", "1,2,3,4"), ("--bax", "--box", "siamtrack track --help")),
        (("track", "a.mp4", "--box"), ("--box",)),
        (("track", "a.mp4", "b.mp4"), ("b.mp4",)),
        (("track", "a.mp4", "--threads", "two"), ("--threads", "integer")),
        (("trak",), ("trak", "siamtrack --help")),
        (("info",), ("FILE",)),
        (("info", "siamtrak-lite"), ("siamtrak-lite",)),
    ],
)
def test_main_names_wrong_usage(run: Run, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(run(*arguments), USAGE, *words)


def test_main_with_debug_shows_the_traceback(track: Run, tmp_path: Path) -> None:
    outcome = track(tmp_path / "missing.mp4", "--box", "1,2,30,40", "--debug")
    assert outcome.code == FAILED
    assert "Traceback" in outcome.err
    assert "siamtrack: error: " in outcome.err


def test_main_calls_an_unexpected_exception_a_bug(track: Run, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a surprise")

    monkeypatch.setattr("siamtrack.workflows.track.run", fail)
    assert_one_line(track(clip.path, "--box", clip.box), FAILED, "a surprise", "bug", "--debug")


def test_main_names_errors_of_the_system_in_one_line(track: Run, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "locked/boxes.csv")

    monkeypatch.setattr("siamtrack.workflows.track.run", refuse)
    outcome = track(clip.path, "--box", clip.box)
    assert_one_line(outcome, FAILED, "locked/boxes.csv", "Permission denied")
    assert "bug" not in outcome.err


def test_main_names_a_name_that_is_too_long(track: Run, clip: Clip) -> None:
    outcome = track(clip.path, "--box", clip.box, "--csv", "x" * 300 + ".csv")
    assert_one_line(outcome, FAILED, "File name too long")
    assert "bug" not in outcome.err


def test_main_with_ctrl_c_before_anything_is_written(track: Run, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("siamtrack.workflows.track.run", interrupt)
    assert_one_line(track(clip.path, "--box", clip.box), 130, "interrupted")


def test_module_is_the_command(weights: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "siamtrack", "track", tmp_path / "missing.mp4", "--box=1,2,30,40", "--model", weights],
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_line(Outcome(done.returncode, done.stdout, done.stderr), FAILED, "missing.mp4")
