"""What is learnt from the first frame of a target, in which its box is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.config import OnlineFilterSettings
from siamtrack.runtime.base import Embedding
from siamtrack.tracking.box_refinement import BoxRefinement, decode_box
from siamtrack.tracking.crops import crop_whole_pixels_into
from siamtrack.tracking.feature_extractor import FeatureExtractor, empty_crops
from siamtrack.tracking.online_filter.filter import begin
from siamtrack.tracking.state import TargetState

INIT_CROP_FACTORS = (0.9, 1.0, 1.11)
"""Sides of the search crops of the first frame, in which the bias of a box head is measured and a filter is begun; 1 is
the usual side."""


@torch.inference_mode()
def initialize_target(
    extractor: FeatureExtractor,
    frame: NDArray[np.uint8],
    state: TargetState,
    exemplars: Embedding,
    adaptation: OnlineFilterSettings | None,
) -> TargetState:
    """The state with the target's shape, where the network reads boxes, and the filter that is begun, if one is.

    Args:
        extractor: sees the target.
        frame: `(H, W, 3)` uint8 BGR, the first one.
        state: of the target in it.
        exemplars: that it was made of.
        adaptation: how to learn a filter; None for none.
    """
    backend, geometry = extractor.backend, extractor.geometry
    if not backend.reads_boxes and not adaptation:
        return state
    crops = empty_crops(len(INIT_CROP_FACTORS), geometry.search_size)
    for crop, factor in zip(crops, INIT_CROP_FACTORS, strict=True):
        crop_whole_pixels_into(crop, frame, extractor.search_square(state, factor), state.border)
    if adaptation:
        crops = np.concatenate([crops, _disturbed(crops[INIT_CROP_FACTORS.index(1.0)])])
    features, levels = backend.embed(extractor.upload(crops))
    if backend.reads_boxes:
        levels = tuple(level[: len(INIT_CROP_FACTORS)] for level in levels)
        state = replace(state, refinement=_learn_shape(extractor, state, exemplars.levels, levels))
    if adaptation:
        kernel = state.kernels[len(state.kernels) // 2]
        per_pixel = geometry.search_size / (extractor.search_side(state) * geometry.stride)
        width, height = state.first_size
        cells = (width * per_pixel, height * per_pixel)
        known = begin(kernel, features, cells, adaptation.sigma * extractor.target_cells, adaptation)
        state = replace(state, filter=known)
    return state


def _learn_shape(
    extractor: FeatureExtractor, state: TargetState, exemplar_levels: Sequence[Tensor], levels: Sequence[Tensor]
) -> BoxRefinement:
    """What the network makes of the target's shape, from the levels of the exemplars and of the first looks."""
    geometry = extractor.geometry
    middle = len(exemplar_levels[0]) // 2
    kernel = extractor.backend.box_kernels([level[middle : middle + 1] for level in exemplar_levels])[0]
    width, height = state.first_size
    scale = extractor.search_side(state) / geometry.search_size  # the same for the exemplar crop
    shape = BoxRefinement(kernel, (width / scale, height / scale), (0.0, 0.0), (0.0, 0.0), state.searched_box)
    center = (geometry.response_size - 1) / 2
    maps = extractor.read_boxes([shape], levels)[0]
    sizes = np.array([decode_box(each, (center, center), geometry.stride).log_size for each in maps])
    bias_x, bias_y = (sizes + np.log(INIT_CROP_FACTORS)[:, None]).mean(axis=0)
    return replace(shape, bias=(float(bias_x), float(bias_y)), log_size=(math.log(width), math.log(height)))


def _disturbed(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The crop mirrored, out of focus, and blurred by motion along either axis: `(4, s, s, 3)`."""
    return np.stack([crop[:, ::-1], cv2.GaussianBlur(crop, (0, 0), 2), cv2.blur(crop, (9, 1)), cv2.blur(crop, (1, 9))])
