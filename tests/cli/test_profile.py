"""`siamtrack profile`: the table, the JSON, and one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_clips import WIDTH, Clip, Outcome, Run, render, write_video

import siamtrack
from siamtrack.profiling.measurement import WARM_UP

USAGE, FAILED = 2, 1


@pytest.fixture
def profile(run: Run) -> Run:
    """`siamtrack profile` with a light model, one thread and one round."""

    def call(*arguments: object) -> Outcome:
        rounds = () if "--rounds" in arguments else ("--rounds", 1)
        return run("profile", *arguments, "--model", "siamtrack-lite", "--threads", 1, *rounds)

    return call


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    """Check the exit code, and that the error is one line with these words."""
    assert outcome.out == ""
    assert outcome.err.startswith("siamtrack: error: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err
    assert outcome.code == code


def test_profile_of_a_rendered_clip_with_a_peer(profile: Run, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    outcome = profile("--synthetic", "160x120", "--frames", 12, "--rounds", 2, "--vs", "opencv:kcf", "--json", path)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("rendered clip, 160x120, 1 target, 24 frames in 2 rounds\n")
    assert outcome.out.endswith(f"\nwrote {path}\n")
    report = json.loads(path.read_text())
    assert report["siamtrack"] == siamtrack.__version__
    assert report["machine"]["threads"] == 1
    assert report["source"] == {"name": None, "synthetic": True, "width": 160, "height": 120}
    assert (report["settings"]["frames"], report["settings"]["warm_up"]) == (12, WARM_UP)
    assert len(report["settings"]["boxes"]) == 1
    peer, model = report["trackers"]
    assert (peer["name"], peer["model"], peer["limit"]) == ("opencv:kcf", None, None)
    assert list(peer["stages"]) == ["decode", "track", "draw", "encode"]
    assert model["name"] == model["model"]["name"] == "siamtrack-lite"
    assert model["model"]["settings"]["scale_search"] == "exemplar"
    names = list(model["stages"])
    assert names[:2] == ["decode", "crop"]
    assert names[-3:] == ["rest", "draw", "encode"]
    assert {"network", "postprocess", "filter"} <= set(names)
    for name in (*names, "network", "GFLOP/s"):
        assert name in outcome.out
    for tracker in (peer, model):
        assert tracker["frames"] == 24
        assert len(tracker["fps"]["rounds"]) == 2
        assert sum(stage["share"] for stage in tracker["stages"].values()) == pytest.approx(1, abs=1e-4)
    assert set(model["ratios"]) == {"opencv:kcf"}
    limit = model["limit"]
    assert limit["precision"] == model["model"]["precision"]
    assert limit["flops_per_frame"] > 1e8
    assert limit["peak_flops_per_second"] == report["peak_flops_per_second"][limit["precision"]] > 0
    # The limit is of the frames with the most frequent search crops only, the stage of all frames.
    assert 0 < limit["network_ms"] <= model["stages"]["network"]["p95_ms"]


def test_profile_of_a_video_with_several_targets(profile: Run, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    frames, boxes = render(1 + WARM_UP + 4)
    write_video(tmp_path / "square.mp4", frames)
    clip = Clip(tmp_path / "square.mp4", boxes)
    outcome = profile(clip.path, "--box", clip.box, "--box", "20,20,40,40", "--targets", 2, "--json", path, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    report = json.loads(path.read_text())
    assert report["source"]["name"] == str(clip.path)
    assert len(report["settings"]["boxes"]) == 4
    (model,) = report["trackers"]
    assert model["frames"] == 4


def test_profile_help_names_every_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = run("profile", "--help").out
    options = "--synthetic --box --model --vs --frames --rounds --targets --json --device --threads --quiet --debug"
    for option in [*options.split(), "opencv:csrt", "siamtrack-box"]:
        assert option in text


def test_profile_takes_one_source(profile: Run, clip: Clip) -> None:
    assert_one_line(profile(), USAGE, "neither", "SOURCE", "--synthetic")
    assert_one_line(profile(clip.path, "--synthetic", "160x120"), USAGE, "both", str(clip.path), "--synthetic")


@pytest.mark.parametrize("size", ["160", "160x", "0x", "axb", "160x120x3"])
def test_profile_refuses_a_size_that_is_none(profile: Run, size: str) -> None:
    assert_one_line(profile("--synthetic", size), USAGE, f"'{size}'", "WxH")


def test_profile_refuses_a_size_without_room(profile: Run) -> None:
    assert_one_line(profile("--synthetic", "20x120"), USAGE, "20x120", "too small")
    assert_one_line(profile("--synthetic", "100x100", "--targets", 30), USAGE, "no room for 30 targets")


def test_profile_refuses_wrong_boxes(profile: Run, clip: Clip) -> None:
    assert_one_line(profile(clip.path), USAGE, "--box", "display")
    assert_one_line(profile(clip.path, "--box", "1,2,3"), USAGE, "3 numbers", "X,Y,W,H")
    assert_one_line(profile(clip.path, f"--box={WIDTH},1,20,20"), USAGE, "outside the frame")
    assert_one_line(profile("--synthetic", "160x120", "--box", clip.box), USAGE, "--box", "--synthetic")


@pytest.mark.parametrize("option", ["--frames", "--rounds", "--targets"])
def test_profile_refuses_counts_below_one(run: Run, option: str) -> None:
    assert_one_line(run("profile", "--synthetic", "160x120", option, 0), USAGE, f"{option} 0", "1 or more")


def test_profile_names_unknown_peers_and_models(profile: Run) -> None:
    assert_one_line(profile("--synthetic", "160x120", "--vs", "csrt"), USAGE, "'csrt'", "opencv:csrt")
    assert_one_line(profile("--synthetic", "160x120", "--model", "siamtrak-lite"), USAGE, "siamtrak-lite")


def test_profile_names_a_peer_that_opencv_lacks(profile: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("cv2.TrackerCSRT_create")
    outcome = profile("--synthetic", "160x120", "--vs", "opencv:csrt")
    assert_one_line(outcome, USAGE, "opencv:csrt", "opencv-contrib-python")


def test_profile_refuses_json_that_cannot_be_written(profile: Run, clip: Clip, tmp_path: Path) -> None:
    line = (clip.path, "--box", clip.box, "--json")
    assert_one_line(profile(*line, tmp_path), USAGE, "--json", "is a folder")
    assert_one_line(profile(*line, tmp_path / "missing" / "p.json"), USAGE, "--json", "missing")
    before = clip.path.read_bytes()
    assert_one_line(profile(*line, clip.path), USAGE, "is the input")
    assert clip.path.read_bytes() == before


def test_profile_refuses_sources_that_cannot_be_measured(
    profile: Run, clip: Clip, images: Clip, tmp_path: Path
) -> None:
    assert_one_line(profile(tmp_path / "none.mp4", "--box", clip.box), FAILED, "none.mp4", "does not exist")
    outcome = profile(images.path, "--box", images.box)
    assert outcome.code == FAILED
    assert f"'{images.path}' has {len(images.boxes)} frames" in outcome.err
    (images.path / "0.png").write_bytes(b"not a png")
    assert "cannot be decoded" in profile(images.path, "--box", images.box).err
