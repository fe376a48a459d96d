"""`siamtrack explain`: the picture, its text, and one line for every error."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
from command_clips import HEIGHT, WIDTH, Clip, Outcome, Run, render, write_video

USAGE, FAILED = 2, 1


@pytest.fixture
def explain(run: Run, weights: Path) -> Run:
    """Return `siamtrack explain` with the small model."""

    def call(*arguments: object) -> Outcome:
        return run("explain", *arguments, "--model", weights, "--threads", 1)

    return call


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    """Check the exit code, that the error is one line with these words, and that there is no picture."""
    assert outcome.out == ""
    assert outcome.err.startswith("siamtrack: error: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err
    assert outcome.code == code
    assert not Path("explain.png").exists()


def test_explain_draws_a_picture_of_a_video(explain: Run, clip: Clip) -> None:
    outcome = explain(clip.path, "--box", clip.box, "--frame", 5)
    assert (outcome.code, outcome.err) == (0, "")
    figures, wrote = outcome.out.splitlines()
    assert figures.startswith("score ")
    assert " tracked · PSR " in figures
    assert wrote == "wrote explain.png"
    picture = cv2.imread("explain.png")
    assert picture is not None
    assert picture.shape[1] > 1500


@pytest.mark.parametrize("name", ["p.jpg", "p.JPEG", "p.png"])
def test_explain_writes_the_given_file(explain: Run, clip: Clip, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    outcome = explain(clip.path, "--box", clip.box, "--frame", 1, "--output", output, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert cv2.imread(str(output)) is not None
    assert not Path("explain.png").exists()


def test_explain_of_the_last_frame(explain: Run, clip: Clip) -> None:
    assert explain(clip.path, "--box", clip.box, "--frame", len(clip.boxes) - 1).code == 0


def test_explain_help_names_every_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = run("explain", "--help").out
    options = "--box --frame --model --output --device --threads --quiet --debug"
    for option in [*options.split(), "explain.png"]:
        assert option in text


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("0", ("frame 0", "nothing to decide", "frame 1")),
        ("-3", ("frame -3", "negative")),
        ("16", ("frame 16", "beyond the end", "16 frames", "15")),
        ("two", ("--frame", "integer")),
    ],
)
def test_explain_refuses_impossible_frames(explain: Run, clip: Clip, frame: str, words: tuple[str, ...]) -> None:
    assert_one_line(explain(clip.path, "--box", clip.box, f"--frame={frame}"), USAGE, *words)


def test_explain_names_a_frame_that_cannot_be_decoded(explain: Run, images: Clip) -> None:
    (images.path / "3.png").write_bytes(b"not a png")
    outcome = explain(images.path, "--box", images.box, "--frame", 3)
    assert outcome.code == FAILED
    assert outcome.out == ""
    *warnings, error = outcome.err.splitlines()
    assert error.startswith("siamtrack: error: frame 3 of ")
    assert "cannot be decoded" in error
    assert all(line.startswith("siamtrack: warning: ") for line in warnings)


def test_explain_names_a_first_frame_that_cannot_be_decoded(explain: Run, images: Clip) -> None:
    (images.path / "0.png").write_bytes(b"not a png")
    assert_one_line(explain(images.path, "--box", images.box, "--frame", 3), FAILED, "frame 0", "cannot be decoded")


def test_explain_names_a_frame_that_a_truncated_video_lacks(explain: Run, tmp_path: Path) -> None:
    source = tmp_path / "cut.mp4"
    frames, boxes = render(30)
    write_video(source, frames)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    box = ",".join(f"{value:g}" for value in boxes[0])
    outcome = explain(source, "--box", box, "--frame", 29)
    assert (outcome.code, outcome.out) == (FAILED, "")
    error = outcome.err.splitlines()[-1]
    assert error.startswith("siamtrack: error: frame 29 of ")


@pytest.mark.parametrize(
    ("name", "word"),
    [("missing.mp4", "does not exist"), ("missing/*.png", "matches nothing"), ("text.mp4", "cannot open")],
)
def test_explain_names_a_source_without_frames(explain: Run, tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 50)
    assert_one_line(explain(tmp_path / name, "--box", "1,2,30,40", "--frame", 3), FAILED, name, word)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("1,2,3", ("3 numbers", "X,Y,W,H")),
        ("nan,2,30,40", ("finite",)),
        ("10,10,1,1", ("too small",)),
        (f"{WIDTH},10,30,30", ("outside", f"{WIDTH}x{HEIGHT}")),
        (f"0,0,{WIDTH + 1},{HEIGHT}", ("larger than the frame",)),
    ],
)
def test_explain_refuses_impossible_boxes(explain: Run, clip: Clip, box: str, words: tuple[str, ...]) -> None:
    assert_one_line(explain(clip.path, f"--box={box}", "--frame", 3), USAGE, "box", *words)


def test_explain_takes_one_box(explain: Run, clip: Clip) -> None:
    outcome = explain(clip.path, "--box", clip.box, "--box", "1,2,30,40", "--frame", 3)
    assert_one_line(outcome, USAGE, "one target", "2", "--box")


@pytest.mark.parametrize("missing", ["--box", "--frame"])
def test_explain_needs_box_and_frame(explain: Run, clip: Clip, missing: str) -> None:
    options = {"--box": clip.box, "--frame": "3"}
    del options[missing]
    assert_one_line(explain(clip.path, *(word for pair in options.items() for word in pair)), USAGE, missing)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/out.png", ("--output", "missing", "not exist")),
        ("out.mp4", ("out.mp4", ".png")),
        ("out", (".png",)),
        ("folder.png", ("--output", "is a folder")),
    ],
)
def test_explain_refuses_an_output_that_is_no_picture(
    explain: Run, clip: Clip, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "folder.png").mkdir()
    outcome = explain(clip.path, "--box", clip.box, "--frame", 3, "--output", tmp_path / name)
    assert_one_line(outcome, USAGE, *words)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
def test_explain_names_an_output_folder_that_is_not_writable(explain: Run, clip: Clip) -> None:
    outcome = explain(clip.path, "--box", clip.box, "--frame", 1, "--output", "/proc/self/out.png")
    assert_one_line(outcome, FAILED, "/proc/self/out.png")


def test_explain_never_overwrites_an_image_of_the_source(explain: Run, images: Clip) -> None:
    target = images.path / "3.png"
    before = target.read_bytes()
    outcome = explain(images.path, "--box", images.box, "--frame", 3, "--output", target)
    assert_one_line(outcome, USAGE, "3.png", "input")
    assert target.read_bytes() == before


def test_explain_names_an_unknown_model(run: Run, clip: Clip) -> None:
    outcome = run("explain", clip.path, "--box", clip.box, "--frame", 3, "--model", "siamtrak-lite")
    assert_one_line(outcome, USAGE, "siamtrak-lite")


def test_explain_refuses_files_that_are_not_weights(run: Run, clip: Clip, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(weights.read_bytes()[:5000])
    assert_one_line(run("explain", clip.path, "--box", clip.box, "--frame", 3, "--model", path), FAILED, str(path))


def test_explain_refuses_zero_threads_and_a_missing_device(run: Run, clip: Clip, weights: Path) -> None:
    line = ("explain", clip.path, "--box", clip.box, "--frame", 3, "--model", weights)
    assert_one_line(run(*line, "--threads", 0), USAGE, "0 threads")
    assert_one_line(run(*line, "--device", "tpu"), USAGE, "--device", "tpu")


def test_explain_of_a_source_with_an_odd_name(explain: Run, clip: Clip, tmp_path: Path) -> None:
    source = tmp_path / "50$ [a] $x_1.mp4"
    shutil.copy(clip.path, source)
    assert explain(source, "--box", clip.box, "--frame", 1).code == 0
