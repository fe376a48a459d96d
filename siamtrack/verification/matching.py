"""Workflows of `siamtrack compare` and `siamtrack match`: two pictures compared, and a patch found in a picture."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image, iou
from siamtrack.errors import SourceError, UsageError
from siamtrack.io.draw import TARGET_COLORS, Look, draw_box, draw_label, label_height, letter_scale, line_width
from siamtrack.io.images import check_picture_name, read_image, write_image
from siamtrack.io.results import check_outputs, refuse_inputs
from siamtrack.verification.dataset import to_patch
from siamtrack.verification.verifier import DEFAULT_VERIFIER, Verifier, load_verifier

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

SCALE_STEP = 2**0.25
"""Ratio of neighboring window sizes."""
MAX_PIXELS = 8_000_000
"""Maximum number of pixels of a resized picture; its features take about one gigabyte."""
MAX_OVERLAP = 0.3
"""Overlap of two matches above which the less similar one is left out."""
OPACITY = 0.6
"""Opacity of the heat map over the picture."""


@dataclass(frozen=True)
class PictureComparison:
    """Comparison of two pictures."""

    measure: str
    """Name of the comparison: `cosine`, `euclidean`, ..."""
    value: float
    threshold: float
    direction: str
    """On which side of the threshold the same lies: `up` or `down`."""
    probability: float
    """Probability of the same, where as many pairs are the same as not."""
    same: bool
    """The decision."""


@dataclass(frozen=True)
class Match:
    """A window of a picture that is similar to the patch."""

    box: Box
    """Box in pixels of the picture."""
    value: float
    """Value of the comparison."""
    probability: float
    """Probability of showing the same."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Matches in a picture."""

    matches: tuple[Match, ...]
    """The most similar first."""
    measure: str
    heat: Array
    """`(H, W)`: the greatest probability of all sizes at each pixel, as the middle of a window; 0 where none was."""


def compare_pictures(one: Path, other: Path, model: str | Path = DEFAULT_VERIFIER) -> PictureComparison:
    """Compare two picture files; each is resized to what the model takes, and gets its number of channels.

    Raises:
        SourceError: when one cannot be read.
        UsageError: for an unknown model.
        WeightsError: for a model that cannot be read.
    """
    pictures = [_read(path) for path in (one, other)]
    verifier = load_verifier(model)
    patches = np.stack([to_patch(picture, verifier.size, verifier.channels) for picture in pictures])
    embedded = verifier.embed(patches)
    values = verifier.compare(embedded[:1], embedded[1:])[0]
    return PictureComparison(
        _measure(verifier),
        float(values[0]),
        verifier.threshold,
        "up" if verifier.comparison.similar_is == "high" else "down",
        float(verifier.calibration.probability(values)[0]),
        bool(verifier.is_same(values)[0]),
    )


def find_matches(
    patch: Path,
    image: Path,
    model: str | Path = DEFAULT_VERIFIER,
    *,
    top: int = 5,
    scales: int = 7,
    output: Path | None = None,
) -> Matches:
    """Find a patch in a picture, and draw the matches.

    Args:
        patch: a picture file.
        image: the picture file to look in.
        model: see `siamtrack.verification.verifier.load_verifier`.
        top: matches at most.
        scales: sizes that are tried.
        output: heat map and boxes over the picture, a .png or .jpg file.

    Raises:
        SourceError: when a picture cannot be read.
        UsageError: for an unknown model, a bad output or a patch that fits in no size.
        OutputError: when the output cannot be written.
        WeightsError: for a model that cannot be read.
    """
    if output is not None:
        check_picture_name(output)
        check_outputs({"--output": output})
        refuse_inputs(output, (patch, image))
    wanted, picture = _read(patch), _read(image)
    found = match_patch(wanted, picture, load_verifier(model), top=top, scales=scales)
    if output is not None:
        write_image(output, draw_matches(picture, found))
    return found


def match_patch(patch: Image, picture: Image, verifier: Verifier, *, top: int = 5, scales: int = 7) -> Matches:
    """Compare a patch with the windows of a picture that have its aspect ratio, in several sizes.

    Args:
        patch: `(h, w, 3)` uint8 BGR.
        picture: `(H, W, 3)` uint8 BGR.
        verifier: compares.
        top: matches at most.
        scales: sizes that are tried, around that of the patch.

    Raises:
        UsageError: when no size of the patch fits.
    """
    height, width = picture.shape[:2]
    own = to_patch(patch, verifier.size, verifier.channels)
    heat = np.zeros((height, width))
    boxes, values = [np.empty((0, 4))], [np.empty(0)]
    sizes = _window_sizes(patch, picture, verifier.size, scales)
    for window_width, window_height in sizes:
        # The window becomes what the network sees, whatever its aspect ratio.
        scale_x, scale_y = verifier.size / window_width, verifier.size / window_height
        size = max(round(width * scale_x), verifier.size), max(round(height * scale_y), verifier.size)
        resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale_x < 1 else cv2.INTER_LINEAR)
        scan = verifier.scan(own, _channels(np.asarray(resized, np.uint8), verifier.channels))
        rows, columns = scan.values.shape
        x = (scan.first[0] + scan.stride * np.arange(columns, dtype=np.float64)) / scale_x
        y = (scan.first[1] + scan.stride * np.arange(rows, dtype=np.float64)) / scale_y
        grid_x, grid_y = np.meshgrid(x, y)
        windows = np.empty((*scan.values.shape, 4))
        windows[..., 0], windows[..., 1] = grid_x - window_width / 2, grid_y - window_height / 2
        windows[..., 2], windows[..., 3] = window_width, window_height
        boxes.append(windows.reshape(-1, 4))
        values.append(scan.values.ravel())
        np.maximum(heat, _spread(verifier.calibration.probability(scan.values), x, y, heat.shape), out=heat)
    all_boxes, all_values = np.concatenate(boxes), np.concatenate(values)
    chosen = _most_similar(all_boxes, verifier.to_similarities(all_values), top)
    matches = [
        Match(
            _inside(all_boxes[index], width, height),
            float(all_values[index]),
            float(verifier.calibration.probability(all_values[index : index + 1])[0]),
        )
        for index in chosen
    ]
    return Matches(tuple(matches), _measure(verifier), heat)


def draw_matches(picture: Image, found: Matches) -> Image:
    """Return the heat map over the picture, with a numbered box and the probability of each match.

    Args:
        picture: `(H, W, 3)` uint8 BGR, stays as it is.
        found: in it.
    """
    colors = np.asarray(cv2.applyColorMap(np.rint(255 * found.heat).astype(np.uint8), cv2.COLORMAP_INFERNO), np.uint8)
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    canvas = np.asarray(cv2.addWeighted(colors, OPACITY, gray, 1 - OPACITY, 0), np.uint8)
    scale, taken = letter_scale(canvas), list[tuple[int, int, int, int]]()
    for number, match in enumerate(found.matches, 1):
        color = TARGET_COLORS[(number - 1) % len(TARGET_COLORS)]
        draw_box(canvas, match.box, color, line_width(canvas))
        x, y, _, height = match.box
        spots = [(x, y - label_height(scale)), (x, y + height)]
        draw_label(canvas, [f"{number}  {match.probability:.2f}", str(number)], Look(color, scale), spots, taken)
    return canvas


def _window_sizes(patch: Image, picture: Image, size: int, scales: int) -> list[tuple[float, float]]:
    """Widths and heights of the windows to try, in pixels of the picture."""
    height, width = picture.shape[:2]
    sizes = [
        (patch.shape[1] * SCALE_STEP**power, patch.shape[0] * SCALE_STEP**power)
        for power in range(-(scales // 2), scales - scales // 2)
    ]
    inside = [(w, h) for w, h in sizes if w <= width and h <= height]
    if not inside:
        raise UsageError(
            f"the patch of {patch.shape[1]}x{patch.shape[0]} pixels fits into the picture of {width}x{height} in none "
            f"of {scales} sizes: give a smaller patch, or more --scales"
        )
    able = [(w, h) for w, h in inside if width * height * size**2 / (w * h) <= MAX_PIXELS]
    if not able:
        raise UsageError(
            f"the patch of {patch.shape[1]}x{patch.shape[0]} pixels is too small for a picture of {width}x{height}: "
            f"enlarged until it has the {size}x{size} of the model, the picture is too large; cut a part out of it"
        )
    if len(able) < len(inside):
        log.info("the %d smallest of %d sizes are left out: the picture is too large", len(inside) - len(able), scales)
    return able


def _channels(image: Image, channels: int) -> Image:
    """`(H, W, 3)` BGR to `(C, H, W)` gray or RGB."""
    if channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)[None]
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))


def _spread(values: Array, x: Array, y: Array, shape: tuple[int, int]) -> Array:
    """Values at positions `x` and `y` of a grid, between them linear, beyond them 0."""
    step_x = (x[1] - x[0]) if len(x) > 1 else 1.0
    step_y = (y[1] - y[0]) if len(y) > 1 else 1.0
    # Pixel j, whose middle is at j + 0.5, is a place between the cells of the grid.
    matrix = np.array([[1 / step_x, 0, (0.5 - x[0]) / step_x], [0, 1 / step_y, (0.5 - y[0]) / step_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, matrix, (shape[1], shape[0]), flags=flags), np.float64)


def _most_similar(boxes: Array, similarities: Array, top: int) -> list[int]:
    """Indices of the most similar boxes, none of which overlaps one before it (non-maximum suppression)."""
    chosen: list[int] = []
    free = np.ones(len(boxes), bool)
    while len(chosen) < top and free.any():
        best = int(np.where(free, similarities, -math.inf).argmax())
        chosen.append(best)
        free &= iou(boxes, boxes[best]) <= MAX_OVERLAP
        free[best] = False
    return chosen


def _inside(box: Array, width: int, height: int) -> Box:
    """Return the part of a box that is in the picture."""
    left, top = max(float(box[0]), 0.0), max(float(box[1]), 0.0)
    right, bottom = min(float(box[0] + box[2]), float(width)), min(float(box[1] + box[3]), float(height))
    return Box(left, top, max(right - left, 0.0), max(bottom - top, 0.0))


def _measure(verifier: Verifier) -> str:
    """`SquaredEuclidean` in words."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(verifier.comparison).__name__).lower()


def _read(path: Path) -> Image:
    try:
        image = read_image(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    if image is None:
        raise SourceError(f"{path} is no picture that can be decoded: give a .png or .jpg file")
    return image
