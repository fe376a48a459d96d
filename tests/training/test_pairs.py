"""Pairs: the target is where the pair says, whatever was done to the pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.stills import Stills, read_stills
from siamtrack.datasets.training_tracks import FrameCache, Track
from siamtrack.errors import DataError
from siamtrack.tracking.crops import crop
from siamtrack.training.augmentation import PhotometricSettings
from siamtrack.training.pairs import GeometrySettings, PairMaker, jitter_box, largest_search, view
from siamtrack.training.scenes import (
    ComposedScenes,
    RivalScenes,
    Scene,
    ScenePair,
    SearchArea,
    StillPatches,
    StillScenes,
    VideoPatches,
    VideoScenes,
)

STILL_LIGHT = PhotometricSettings(
    brightness=0, contrast=0, saturation=0, gamma=0, blur=0, motion_blur=0, low_resolution=0, noise=0, jpeg=0
)
RED = (0, 0, 255)


def red_dot(center: tuple[float, float], size: tuple[float, float]) -> Scene:
    """A red ellipse on gray."""
    image = np.full((240, 320, 3), 90, np.uint8)
    axes = (round(size[0] / 2), round(size[1] / 2))
    cv2.ellipse(image, (round(center[0]), round(center[1])), axes, 0, 0, 360, RED, -1)
    return Scene(image, Box.from_center(*center, *size))


@dataclass
class Fixed:
    """A source of one pair of scenes."""

    pair: ScenePair

    def draw(self, rng: np.random.Generator) -> ScenePair:
        return self.pair


def maker(pair: ScenePair, geometry: GeometrySettings, negatives: float = 0.0) -> PairMaker:
    return PairMaker([(Fixed(pair), 1.0)], (), negatives, geometry, STILL_LIGHT, 128, 256)


def red_center(image: NDArray[np.uint8]) -> tuple[float, float]:
    rows, columns = np.nonzero((image[:, :, 2] > 170) & (image[:, :, 0] < 80))
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), warp=st.booleans())
def test_the_target_is_at_the_given_center(seed: int, warp: bool) -> None:
    pair = ScenePair(red_dot((150, 110), (40, 30)), red_dot((170, 130), (44, 33)), "dot", warp, sizes=(1, 1))
    geometry = GeometrySettings(shift=60, scale_jitter=1, rotation=20, stretch=0.1, gray=0, surround=0)
    sample = maker(pair, geometry).make(np.random.default_rng(seed))
    assert red_center(sample.search) == pytest.approx(sample.center, abs=1.5)
    assert red_center(sample.exemplars[0]) == pytest.approx((64, 64), abs=1.5)


@pytest.mark.parametrize("seed", range(8))
def test_the_size_is_that_in_the_search_crop(seed: int) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.rectangle(image, (130, 100), (189, 139), RED, -1)
    scene = Scene(image, Box(130, 100, 60, 40))
    geometry = GeometrySettings(shift=20, scale_jitter=2, rotation=0, stretch=0.4, gray=0, surround=0)
    sample = maker(ScenePair(scene, scene, "bar", warp=True, sizes=(1, 1)), geometry).make(np.random.default_rng(seed))
    width, height = sample.size
    red = (sample.search[:, :, 2] > 170) & (sample.search[:, :, 0] < 80)
    assert np.ptp(np.flatnonzero(red.any(axis=0))) + 1 == pytest.approx(width, abs=2)
    assert np.ptp(np.flatnonzero(red.any(axis=1))) + 1 == pytest.approx(height, abs=2)
    assert abs(width / height / 1.5 - 1) > 0.02  # it was stretched visibly


@pytest.mark.parametrize("seed", range(8))
def test_a_pair_of_frames_is_zoomed_and_squeezed_too(seed: int) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.rectangle(image, (130, 100), (189, 139), RED, -1)
    scene = Scene(image, Box(130, 100, 60, 40))
    pair = ScenePair(scene, scene, "bar", warp=False, sizes=None)  # as two frames of a video
    geometry = GeometrySettings(shift=20, zoom=0.5, squeeze=0.3, gray=0, surround=0)
    sample = maker(pair, geometry).make(np.random.default_rng(seed))
    for picture, size in ((sample.exemplars[0], sample.exemplar_size), (sample.search, sample.size)):
        red = (picture[:, :, 2] > 170) & (picture[:, :, 0] < 80)
        assert np.ptp(np.flatnonzero(red.any(axis=0))) + 1 == pytest.approx(size[0], abs=2)
        assert np.ptp(np.flatnonzero(red.any(axis=1))) + 1 == pytest.approx(size[1], abs=2)
    assert red_center(sample.search) == pytest.approx(sample.center, abs=1.5)
    ratios = [math.log(found / shown) for found, shown in zip(sample.size, sample.exemplar_size, strict=True)]
    assert abs(sum(ratios) / 2) < 0.5 + 0.01  # zoom
    assert abs(ratios[0] - ratios[1]) / 2 < 0.3 + 0.01  # squeeze
    assert max(map(abs, ratios)) > 0.05
    assert math.isnan(sample.scale)


@pytest.mark.parametrize("seed", range(6))
def test_apparent_size_is_told_in_scale_steps(seed: int) -> None:
    scene = red_dot((160, 120), (60, 60))
    geometry = GeometrySettings(shift=0, scale_jitter=3, scale_step=1.1, scales=3, gray=0, surround=0)
    sample = maker(ScenePair(scene, scene, "dot", warp=False, sizes=(1, 1)), geometry).make(np.random.default_rng(seed))
    areas = [((image[:, :, 2] > 170) & (image[:, :, 0] < 80)).sum() for image in (*sample.exemplars, sample.search)]
    small, same, large, found = (math.sqrt(area) for area in areas)
    assert same / small == pytest.approx(1.1, rel=0.03)
    assert large / same == pytest.approx(1.1, rel=0.03)
    assert found / same == pytest.approx(1.1**sample.scale, rel=0.03)


def test_a_box_of_another_shape_is_no_change_of_size() -> None:
    wide, tall = red_dot((160, 120), (80, 30)), red_dot((160, 120), (30, 80))
    loose = Scene(wide.image, Box.from_center(160, 120, 100, 60))  # the same object in a larger box
    geometry = GeometrySettings(shift=0, scale_step=1.1, gray=0, surround=0)

    def scale(search: Scene) -> float:
        pair = ScenePair(wide, search, "dot", warp=False, sizes=(1, 1))
        return maker(pair, geometry).make(np.random.default_rng(0)).scale

    assert scale(wide) == scale(tall) == pytest.approx(0)
    ratio = math.sqrt((80 + 55) * (30 + 55)) / math.sqrt((100 + 80) * (60 + 80))
    assert scale(loose) == pytest.approx(math.log(ratio) / math.log(1.1))


def test_boxes_that_are_not_exact_tell_no_scale() -> None:
    scene = red_dot((160, 120), (60, 60))
    geometry = GeometrySettings(shift=0, scale_jitter=3, gray=0, surround=0)
    sample = maker(ScenePair(scene, scene, "dot", warp=False, sizes=None), geometry).make(np.random.default_rng(0))
    assert math.isnan(sample.scale)
    assert sample.size == pytest.approx((60 * 128 / 120, 60 * 128 / 120))  # and are not enlarged either


def test_exemplar_crops_are_those_of_tracking() -> None:
    scene = red_dot((160, 120), (60, 40))
    geometry = GeometrySettings(gray=0, surround=0, shift=0)
    for seed in range(4):
        sample = maker(ScenePair(scene, scene, "dot", warp=False, sizes=(1, 1)), geometry).make(
            np.random.default_rng(seed)
        )
        side = math.sqrt((60 + 50) * (40 + 50))
        mean = cv2.mean(scene.image)
        expected = crop(scene.image, (160, 120), side, 128, (mean[0], mean[1], mean[2]))
        either = min(
            np.abs(sample.exemplars[0].astype(int) - turned).mean() for turned in (expected, expected[:, ::-1])
        )
        assert either < 0.5


@given(st.integers(0, 10_000), st.floats(0.05, 0.45))
def test_a_reframed_target_is_the_same_part_of_both_boxes(seed: int, largest: float) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    pair = ScenePair(
        Scene(image, Box(100, 80, 40, 60)), Scene(image, Box(30, 20, 120, 90)), "dot", warp=False, sizes=(1, 2)
    )
    found = jitter_box(pair, largest, np.random.default_rng(seed))
    parts = []
    for before, after in ((pair.exemplar.box, found.exemplar.box), (pair.search.box, found.search.box)):
        left, top = (after.x - before.x) / before.width, (after.y - before.y) / before.height
        parts.append([left, top, left + after.width / before.width - 1, top + after.height / before.height - 1])
    np.testing.assert_allclose(parts[0], parts[1], atol=1e-9)
    assert 0 < np.abs(parts[0]).max() <= largest
    assert found.sizes == pair.sizes


def test_pairs_show_the_reframed_target() -> None:
    scene = red_dot((160, 120), (60, 40))
    geometry = GeometrySettings(shift=0, gray=0, surround=0, zoom=0.01)
    plain, moved = (
        maker(ScenePair(scene, scene, "dot", warp=False, sizes=(1, 1)), each).make(np.random.default_rng(3))
        for each in (geometry, geometry.model_copy(update={"box_jitter": 0.4}))
    )
    assert plain.exemplar_size[0] / plain.exemplar_size[1] == pytest.approx(1.5)
    assert abs(moved.exemplar_size[0] / moved.exemplar_size[1] - 1.5) > 0.01
    # Same part of the same picture: both crops agree about its shape.
    assert moved.size[0] / moved.size[1] == pytest.approx(moved.exemplar_size[0] / moved.exemplar_size[1])


def test_pairs_are_a_function_of_the_generator() -> None:
    scene = red_dot((160, 120), (60, 40))
    made = maker(ScenePair(scene, scene, "dot", warp=True, sizes=(1, 1)), GeometrySettings(shift=30, rotation=5))
    first, again, other = (made.make(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.search, again.search)
    np.testing.assert_array_equal(first.exemplars, again.exemplars)
    assert first.center == again.center != other.center


def test_negatives_show_another_group_and_have_no_center() -> None:
    class Two:
        def draw(self, rng: np.random.Generator) -> ScenePair:
            scene = red_dot((160, 120), (60, 40))
            return ScenePair(scene, scene, f"group {rng.integers(2)}", warp=False, sizes=(1, 1))

    made = PairMaker([(Two(), 1.0)], (), 0.9, GeometrySettings(), STILL_LIGHT, 128, 256)
    samples = [made.make(np.random.default_rng(seed)) for seed in range(60)]
    absent = [math.isnan(sample.center[0]) for sample in samples]
    assert [sample.group != sample.search_group for sample in samples] == absent
    assert 10 < sum(absent) < 50


def test_a_plain_view_is_a_crop() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    plain = view(image, (40.5, 33.0), 30.0, 64)
    np.testing.assert_allclose(plain.astype(int), crop(image, (40.5, 33.0), 30.0, 64, (0, 0, 0)), atol=1)


def test_a_surround_stands_outside_the_picture_only() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    surround = np.zeros((100, 100, 3), np.uint8)
    seen = view(image, (0, 0), 50, 100, surround=surround)
    assert seen[75, 75].tolist() == [200, 200, 200]
    assert seen[25, 25].tolist() == [0, 0, 0]


@pytest.mark.parametrize("names", [[], ["airplane"], list("abcdef")])
def test_tracks_without_two_boxes_are_refused(training_folder: Path, tmp_path: Path, names: list[str]) -> None:
    folder = training_folder / "clips" / "airplane"
    boxes = np.array([[0, 0, 30, 30], [0, 0, 3, 30], [np.nan] * 4])
    tracks = [Track(name, folder, boxes) for name in names]
    with pytest.raises(
        DataError, match=f"^{len(names)} track.*none has boxes of 4 pixels or more in two frames"
    ) as caught:
        VideoScenes(tracks, FrameCache.build([folder], tmp_path), 100)
    assert all(name in str(caught.value) for name in names[:4])


def test_one_track_with_two_boxes_is_enough(training_folder: Path, tmp_path: Path) -> None:
    folder = training_folder / "clips" / "airplane"
    poor, rich = np.full((8, 4), np.nan), np.full((8, 4), np.nan)
    rich[[3, 5]] = 10, 10, 30, 30
    tracks = [Track("poor", folder, poor), Track("rich", folder, rich)]
    pair = VideoScenes(tracks, FrameCache.build([folder], tmp_path), 100).draw(np.random.default_rng(0))
    assert pair.exemplar.box == pair.search.box == (10, 10, 30, 30)


def test_pairs_of_one_video_belong_together(training_folder: Path, tmp_path: Path) -> None:
    folder = training_folder / "clips" / "airplane"
    boxes = np.tile([10.0, 10.0, 30.0, 30.0], (8, 1))
    scenes = VideoScenes([Track("part", folder, boxes, video="flight.mp4")], FrameCache.build([folder], tmp_path), 100)
    assert scenes.draw(np.random.default_rng(0)).group == "flight.mp4"


def test_no_object_to_show_twice_is_refused() -> None:
    with pytest.raises(DataError, match="no object to show twice"):
        StillScenes(())


def test_scenes_need_something_to_compose(training_folder: Path) -> None:
    stills = read_stills(training_folder / "stills")
    found = replace(stills, objects=tuple(replace(item, trusted=False) for item in stills.objects))
    StillPatches(found)  # its cut-out is enough
    for poor in (Stills((), stills.photos, ()), replace(found, cutouts=())):
        with pytest.raises(DataError, match="nothing to compose scenes of"):
            StillPatches(poor)
    with pytest.raises(DataError, match="no photograph to compose scenes on"):
        ComposedScenes(StillPatches(stills), ())


class Pictures:
    """Frames that are at hand, the same for every folder."""

    def __init__(self, pictures: list[NDArray[np.uint8]]) -> None:
        self._pictures = pictures

    def count(self, folder: Path) -> int:
        return len(self._pictures)

    def frame(self, folder: Path, index: int) -> NDArray[np.uint8]:
        return self._pictures[index]


def test_objects_of_videos_are_cut_out_at_their_masks_in_two_frames() -> None:
    # Red in the first frame, green in the second, a disc in both; around it, what must not be seen.
    frames, masks, boxes = [], [], []
    for index, color in enumerate(((0, 0, 255), (0, 255, 0))):
        center = (60 + 30 * index, 50)
        image, mask = np.full((100, 160, 3), 200, np.uint8), np.zeros((100, 160, 3), np.uint8)
        for canvas, paint in ((image, color), (mask, (255, 255, 255))):
            cv2.circle(canvas, center, 20, paint, -1)
        frames.append(image)
        masks.append(mask)
        boxes.append((center[0] - 20, 30, 41, 41))
    track = Track("disc", Path("disc"), np.array(boxes, np.float64), masks=True)
    patches = VideoPatches([track], Pictures(frames), Pictures(masks), max_gap=5)
    seen = set()
    for seed in range(20):
        pair = patches.draw(np.random.default_rng(seed))
        for patch in (pair.exemplar, pair.search):
            assert patch.shape == (41, 41, 4)
            opaque = patch[patch[:, :, 3] > 0][:, :3]
            assert len(opaque) == int((masks[0][:, :, 0] > 0).sum())
            assert len(np.unique(opaque, axis=0)) == 1
        seen.add((int(pair.exemplar[20, 20, 1]), int(pair.search[20, 20, 1])))
        assert not pair.rigid
    assert seen == {(0, 0), (0, 255), (255, 0), (255, 255)}
    with pytest.raises(DataError, match="video of masks"):
        VideoPatches([], Pictures(frames), Pictures(masks), max_gap=5)


@pytest.mark.parametrize(
    ("mask", "complaint"),
    [
        (np.zeros((100, 160, 3), np.uint8), "frame 0 has a box with nothing of its mask in it: write nan"),
        (np.full((50, 80, 3), 255, np.uint8), "mask of frame 0 has 80x50 pixels and the frame 160x100"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: NDArray[np.uint8], complaint: str) -> None:
    track = Track("disc", Path("disc"), np.array([[40.0, 30.0, 41.0, 41.0]]), masks=True)
    patches = VideoPatches([track], Pictures([np.full((100, 160, 3), 200, np.uint8)]), Pictures([mask]), max_gap=5)
    with pytest.raises(DataError, match=complaint):
        patches.draw(np.random.default_rng(0))


def test_how_far_off_a_moved_object_is_counts_as_not_known(training_folder: Path) -> None:
    photos = read_stills(training_folder / "stills").photos
    frame, mask = np.full((60, 60, 3), 90, np.uint8), np.full((60, 60, 3), 255, np.uint8)
    track = Track("whole", Path("whole"), np.array([[0.0, 0.0, 60.0, 60.0]]), masks=True)
    moved = ComposedScenes(VideoPatches([track], Pictures([frame]), Pictures([mask]), 5), photos)
    assert moved.draw(np.random.default_rng(0)).sizes is None
    still = ComposedScenes(StillPatches(read_stills(training_folder / "stills")), photos)
    assert still.draw(np.random.default_rng(0)).sizes is not None


RIVALS = GeometrySettings(shift=40, scale_jitter=1.5, scales=3, rotation=10, stretch=0.1, box_jitter=0.2, surround=0)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_rival_is_shown_without_the_target(seed: int) -> None:
    """Two discs in one frame: the exemplar is of one of them, and the search crop shows the other alone."""
    image = np.full((300, 900, 3), 90, np.uint8)
    centers = {(0, 0, 255): (150, 150), (0, 255, 0): (700, 140)}
    for color, center in centers.items():
        cv2.circle(image, center, 30, color, -1)
    tracks = [
        Track(f"disc.{index}", Path("discs"), np.array([[x - 30.0, y - 30.0, 60.0, 60.0]]))
        for index, (x, y) in enumerate(centers.values())
    ]
    scenes = RivalScenes((), tracks, Pictures([image]), 5, largest_search(RIVALS, 128, 256))
    made = PairMaker([(scenes, 1.0)], (), 0.0, RIVALS, STILL_LIGHT, 128, 256).make(np.random.default_rng(seed))
    assert math.isnan(made.center[0])
    assert made.group == made.search_group == "discs"
    middle = made.exemplars[1][64, 64].astype(int)
    red = middle[2] > middle[1]  # also without colors: red is darker than green then
    if made.search.std(axis=2).max() > 0:
        strong = np.abs(made.search.astype(int) - 90).max(axis=2) > 60
        assert strong.any()
        hue = made.search[strong].astype(int)
        assert ((hue[:, 1] > hue[:, 2]) == red).all()


GEOMETRIES = st.builds(
    GeometrySettings,
    shift=st.floats(0, 80),
    scale_jitter=st.floats(0, 3),
    rotation=st.floats(0, 90),
    stretch=st.floats(0, 0.3),
    zoom=st.floats(0, 0.6),
    squeeze=st.floats(0, 0.2),
    box_jitter=st.sampled_from([0.0, 0.2]),  # its room must not cover for the rest
    surround=st.just(0.0),
    gray=st.just(0.0),
)


@given(GEOMETRIES, st.integers(0, 10**6), st.floats(20, 60), st.floats(20, 60))
@settings(max_examples=60, deadline=None)
def test_search_crops_show_no_more_than_their_area(
    geometry: GeometrySettings, seed: int, width: float, height: float
) -> None:
    """All that the area of a box does not reach is red, and no crop shows red, however it is cut."""
    box = Box.from_center(800.0, 800.0, width, height)
    half = largest_search(geometry, 128, 256)
    reach = half.reach * math.sqrt((width + (width + height) / 2) * (height + (width + height) / 2))
    image = np.full((1600, 1600, 3), RED, np.uint8)
    first, last = max(math.floor(800 - reach) - 2, 0), math.ceil(800 + reach) + 2
    image[first:last, first:last] = 90
    pair = ScenePair(Scene(image, box), Scene(image, box), "one", warp=True, sizes=None, same=False)
    crop = PairMaker([(Fixed(pair), 1.0)], (), 0.0, geometry, STILL_LIGHT, 128, 256).make(np.random.default_rng(seed))
    assert crop.search[:, :, 2].max() == 90


def test_a_rival_that_the_search_crop_may_show_with_the_target_is_none() -> None:
    image = np.full((100, 200, 3), 90, np.uint8)
    tracks = [Track(f"near.{x}", Path("near"), np.array([[x, 40.0, 20.0, 20.0]])) for x in (40.0, 90.0)]
    # The exemplar's side is 40 pixels: from the center of one to the side of the other it is as far.
    RivalScenes((), tracks, Pictures([image]), 5, SearchArea(0.5, 0.99))
    with pytest.raises(DataError, match="far enough from each other"):
        RivalScenes((), tracks, Pictures([image]), 5, SearchArea(0.5, 1.01))
