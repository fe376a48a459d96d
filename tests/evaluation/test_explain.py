"""The picture of a decision: what is drawn is what the tracker saw, where it saw it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.explain import Question, write_explanation
from siamtrack.evaluation.explain_figure import FAINT, MARK, Explanation, describe, draw, make_figure
from siamtrack.io.draw import COLORS
from siamtrack.models.cards import ModelCard
from siamtrack.models.registry import build_network
from siamtrack.models.weights import save_network
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker

HEIGHT, WIDTH, SIDE = 120, 160, 30
FIRST = Box(40, 30, SIDE, SIDE)
ARCHITECTURES = {"alexnet_v1": "search", "lite0": "exemplar", "lite0_box": "exemplar"}
"""Where the pyramid of each is."""


def texture(height: int, width: int, seed: int, cell: int) -> NDArray[np.uint8]:
    shape = (height // cell + 2, width // cell + 2, 3)
    coarse = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def render(count: int) -> list[NDArray[np.uint8]]:
    """A textured square that moves three pixels right and two down a frame."""
    background, patch = texture(HEIGHT, WIDTH, 0, 16), texture(SIDE, SIDE, 1, 5)
    frames = []
    for index in range(count):
        x, y = int(FIRST.x) + 3 * index, int(FIRST.y) + 2 * index
        frame = background.copy()
        frame[y : y + SIDE, x : x + SIDE] = patch
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Networks that nobody has trained, by architecture."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("weights")

    def make(architecture: str) -> Path:
        path = folder / f"{architecture}.safetensors"
        if not path.exists():
            network = build_network(architecture)
            network.initialize(torch.Generator().manual_seed(0))
            tracking = {"scale_search": ARCHITECTURES[architecture]}
            save_network(
                path, network, ModelCard(name=f"my {architecture}", architecture=architecture, tracking=tracking)
            )
        return path

    return make


@pytest.fixture(scope="module")
def make(weights: Callable[[str], Path]) -> Callable[[str], Explanation]:
    known: dict[str, Explanation] = {}

    def explanation(architecture: str) -> Explanation:
        if architecture not in known:
            first, second = render(2)
            tracker = load(weights(architecture))
            state = tracker.start(first, FIRST)
            known[architecture] = Explanation(
                source="square.mp4",
                frame=1,
                model="mine",
                exemplar=tracker.cut_exemplars(first, FIRST)[0],
                previous=state.box,
                seen=tracker.observe(second, state),
                stride=tracker.backend.geometry.stride,
                window_influence=tracker.settings.window_influence,
            )
        return known[architecture]

    return explanation


@pytest.fixture(params=list(ARCHITECTURES))
def explanation(request: pytest.FixtureRequest, make: Callable[[str], Explanation]) -> Explanation:
    return make(request.param)


def axes_of(figure: Figure, label: str) -> Axes:
    (axes,) = (axes for axes in figure.axes if axes.get_label() == label)
    return axes


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def line(axes: Axes, label: str) -> Line2D:
    (found,) = (each for each in axes.lines if each.get_label() == label)
    return found


# What is drawn


def test_the_maps_drawn_are_the_trackers(explanation: Explanation) -> None:
    figure, seen = make_figure(explanation), explanation.seen
    chosen = seen.maps[seen.result.peak.scale]
    drawn = axes_of(figure, "response").images[1]
    np.testing.assert_array_equal(drawn.get_array(), chosen)
    assert (drawn.norm.vmin, drawn.norm.vmax) == (chosen.min(), chosen.max())
    drawn = axes_of(figure, "window").images[1]
    np.testing.assert_allclose(drawn.get_array(), seen.mixture / seen.mixture.max())


def test_the_ends_of_the_color_bars_are_written(explanation: Explanation) -> None:
    chosen = explanation.seen.maps[explanation.seen.result.peak.scale]
    written = {text.get_text() for axes in make_figure(explanation).axes for text in axes.texts}
    assert {f"{chosen.min():.4g}", f"{chosen.max():.4g}", "100%"} <= written


def test_a_map_lies_where_its_cells_look(explanation: Explanation) -> None:
    seen = explanation.seen
    left, right, bottom, top = axes_of(make_figure(explanation), "response").images[1].get_extent()
    middle, half = seen.crops.shape[1] / 2, seen.responses.shape[-1] * explanation.stride / 2
    assert (left, right, bottom, top) == pytest.approx((middle - half, middle + half, middle + half, middle - half))


def test_the_chosen_place_is_marked_where_the_box_is(explanation: Explanation) -> None:
    seen, figure = explanation.seen, make_figure(explanation)
    square = seen.squares[seen.crop_index]
    scale = seen.crops.shape[1] / square.side
    x, y = seen.result.state.center
    for label in ("response", "window"):
        marked = line(axes_of(figure, label), "chosen").get_xydata()
        # Squares lie on whole pixels of the frame, the search does not.
        assert np.asarray(marked)[0] == pytest.approx(((x - square.left) * scale, (y - square.top) * scale), abs=scale)
    raw = seen.maps[seen.result.peak.scale]
    row, col = np.unravel_index(raw.argmax(), raw.shape)
    drawn = axes_of(figure, "response")
    left, right, bottom, top = drawn.images[1].get_extent()
    share = (np.array([col, row]) + 0.5) / len(raw)
    expected = left + share[0] * (right - left), top + share[1] * (bottom - top)
    assert np.asarray(line(drawn, "greatest response").get_xydata())[0] == pytest.approx(expected)


def test_every_scale_has_its_bar_and_the_chosen_one_is_marked(explanation: Explanation) -> None:
    seen, axes = explanation.seen, axes_of(make_figure(explanation), "scales")
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == pytest.approx([each.max() for each in seen.maps])
    colors = [to_rgba(MARK if scale == seen.result.peak.scale else FAINT) for scale in range(3)]
    assert [bar.get_facecolor() for bar in bars] == colors
    assert [text.get_text() for text in axes.texts] == [f"{each.max():.4g}" for each in seen.maps]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.964", "1.000", "1.038"]
    ticks = [np.asarray(each.get_xdata())[0] for each in axes.lines]
    assert ticks == pytest.approx([seen.penalized[0], seen.penalized[2]])


def test_another_chosen_scale_is_marked_instead(make: Callable[[str], Explanation]) -> None:
    known = make("lite0")
    for scale in range(3):
        result = replace(known.seen.result, peak=known.seen.result.peak._replace(scale=scale))
        changed = replace(known, seen=replace(known.seen, result=result))
        figure = make_figure(changed)
        colors = [patch.get_facecolor() for patch in axes_of(figure, "scales").patches]
        assert [color == to_rgba(MARK) for color in colors] == [each == scale for each in range(3)]
        np.testing.assert_array_equal(axes_of(figure, "response").images[1].get_array(), known.seen.maps[scale])
        assert f"scale {known.seen.factors[scale]:.4g} ({scale + 1} of 3)" in texts(figure)


def test_the_crops_are_shown_in_their_colors(explanation: Explanation) -> None:
    figure, seen = make_figure(explanation), explanation.seen
    for label, crop in (("exemplar", explanation.exemplar), ("search", seen.crops[seen.crop_index])):
        (image,) = axes_of(figure, label).images
        np.testing.assert_array_equal(image.get_array(), crop[..., ::-1])  # RGB


def test_the_boxes_are_drawn_in_the_crop(explanation: Explanation) -> None:
    seen = explanation.seen
    square = seen.squares[seen.crop_index]
    scale = seen.crops.shape[1] / square.side
    expected = {"found": seen.result.box, "previous": FIRST}
    if seen.box_read is not None:
        expected["read by the box head"] = seen.box_read
    patches = {patch.get_label(): patch for patch in axes_of(make_figure(explanation), "search").patches}
    assert set(patches) == set(expected)
    for label, box in expected.items():
        patch = patches[label]
        assert isinstance(patch, Rectangle)
        assert patch.get_xy() == pytest.approx(((box.x - square.left) * scale, (box.y - square.top) * scale))
        assert (patch.get_width(), patch.get_height()) == pytest.approx((box.width * scale, box.height * scale))


@pytest.mark.parametrize("status", [Status.TRACKED, Status.UNCERTAIN, Status.LOST])
def test_the_found_box_has_the_color_of_its_status(make: Callable[[str], Explanation], status: Status) -> None:
    known = make("lite0")
    changed = replace(known, seen=replace(known.seen, result=replace(known.seen.result, status=status)))
    figure = make_figure(changed)
    (found,) = (patch for patch in axes_of(figure, "search").patches if patch.get_label() == "found")
    assert np.array(found.get_edgecolor()[2::-1]) * 255 == pytest.approx(COLORS[status])
    assert status.value in texts(figure)


# What is written


def test_the_figures_are_in_the_text(explanation: Explanation) -> None:
    seen, result = explanation.seen, explanation.seen.result
    lines = describe(explanation)
    assert len(lines) == (1 if seen.box_read is None else 2)
    text = texts(make_figure(explanation))
    for each in [*lines, "square.mp4, frame 1 · mine"]:
        assert each in text
    dx, dy = np.subtract(result.box.center, FIRST.center)
    for part in (
        f"score {result.score:.3f} {result.status.value}",
        f"PSR {result.peak.psr:.1f}",
        f"APCE {result.peak.apce:.1f}",
        f"moved {np.hypot(dx, dy):.1f} px ({dx:+.1f}, {dy:+.1f})",
    ):
        assert part in lines[0]


def test_the_box_that_was_read_is_in_the_text(make: Callable[[str], Explanation]) -> None:
    known = make("lite0_box")
    seen = replace(known.seen, box_read=Box(1.25, 2, 30, 40.06), quality=0.8125)
    second = describe(replace(known, seen=seen))[1]
    assert second.startswith("box read 1.2, 2.0, 30.0, 40.1 · quality 0.812 · reported ")


def test_a_name_with_dollars_is_no_formula(make: Callable[[str], Explanation]) -> None:
    named = replace(make("lite0"), source="$a_b$ \\frac.mp4")
    draw(named)
    assert "$a_b$ \\frac.mp4" in texts(make_figure(named))


# The picture


def test_the_picture_is_bgr_and_pyplot_is_left_alone(explanation: Explanation) -> None:
    before = "matplotlib.pyplot" in sys.modules
    picture = draw(explanation)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.shape[1] > 1500
    assert ("matplotlib.pyplot" in sys.modules) == before
    amount = [(picture == np.array(color)).all(2).sum() for color in ((0xD1, 0x6F, 0x1F), (0x1F, 0x6F, 0xD1))]
    assert amount[0] > 1000 * (amount[1] + 1)  # the bar of the chosen scale is blue, not red


def test_nothing_to_see_is_drawn_too(weights: Callable[[str], Path], make: Callable[[str], Explanation]) -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    tracker = load(weights("lite0"))
    state = tracker.start(black, FIRST)
    seen = tracker.observe(black, state)
    flat = replace(seen, maps=np.full_like(seen.maps, -3), penalized=(-3.1, -3.0, -3.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(replace(make("lite0"), exemplar=tracker.cut_exemplars(black, FIRST)[1], seen=flat))


# From a source to the file


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, frame in enumerate(render(6)):
        cv2.imwrite(str(folder / f"{index}.png"), frame)
    return folder


def expected_of(tracker: Tracker, numbers: list[int]) -> tuple[Box, float]:
    frames = render(6)
    tracker.init(frames[0], FIRST)
    result = [tracker.update(frames[number]) for number in numbers][-1]
    return result.box, result.score


def test_the_frame_is_the_one_asked_for(images: Path, tmp_path: Path, weights: Callable[[str], Path]) -> None:
    model, output = weights("lite0"), tmp_path / "explain.png"
    done: list[int] = []
    found = write_explanation(
        Question(str(images), FIRST, 4, str(model), precision="float32"),
        output,
        lambda progress: done.append(progress.done),
    )
    tracker = load(model, precision="float32")  # which one is the fastest may change from one load to the next
    assert (found.seen.result.box, found.seen.result.score) == expected_of(tracker, [1, 2, 3, 4])
    assert found.previous == expected_of(tracker, [1, 2, 3])[0]
    assert (found.source, found.frame, found.model) == ("images", 4, "my lite0")
    np.testing.assert_array_equal(found.exemplar, tracker.cut_exemplars(render(1)[0], FIRST)[1])
    assert done == [2, 3, 4]
    np.testing.assert_array_equal(cv2.imread(str(output)), draw(found))


def test_frames_that_fail_before_it_are_passed_over(
    images: Path, tmp_path: Path, weights: Callable[[str], Path]
) -> None:
    (images / "2.png").write_bytes(b"not a png")
    model = weights("lite0")
    question = Question(str(images), FIRST, 4, str(model), precision="float32")
    found = write_explanation(question, tmp_path / "explain.jpg")
    tracker = load(model, precision="float32")
    assert (found.seen.result.box, found.seen.result.score) == expected_of(tracker, [1, 3, 4])


def test_the_frame_must_decode(images: Path, tmp_path: Path, weights: Callable[[str], Path]) -> None:
    (images / "4.png").write_bytes(b"not a png")
    with pytest.raises(SourceError, match=r"frame 4 of '.*images' cannot be decoded"):
        write_explanation(Question(str(images), FIRST, 4, str(weights("lite0"))), tmp_path / "explain.png")
    assert not (tmp_path / "explain.png").exists()


@pytest.mark.parametrize(("frame", "words"), [(0, "nothing to decide"), (-1, "negative"), (6, "has 6 frames")])
def test_frames_that_are_not_there(
    images: Path, tmp_path: Path, weights: Callable[[str], Path], frame: int, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        write_explanation(Question(str(images), FIRST, frame, str(weights("lite0"))), tmp_path / "explain.png")


def test_figure_names_the_map_of_an_online_filter(explanation: Explanation) -> None:
    assert axes_of(make_figure(explanation), "window").get_title("left").startswith("with ")
    filtered = replace(explanation.seen, filter_response=np.zeros(explanation.seen.responses.shape[1:], np.float32))
    figure = make_figure(replace(explanation, seen=filtered))
    assert axes_of(figure, "window").get_title("left").startswith("filter with ")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (title,) = (text for text in axes_of(figure, "window").findobj(Text) if text.get_text().startswith("filter with "))
    assert title.get_window_extent().x1 <= figure.bbox.x1  # not cut off
