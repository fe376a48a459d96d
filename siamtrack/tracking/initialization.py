"""Target initialization: everything that is computed in the first frame, in which the box is given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from siamtrack.boxes import Box, Image
from siamtrack.config import OnlineFilterSettings
from siamtrack.runtime.base import Embedding
from siamtrack.tracking.box_refinement import BoxRefinement, decode_box
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.crops import clip_to_frame, mean_color
from siamtrack.tracking.feature_extractor import FeatureExtractor
from siamtrack.tracking.online_filter.filter import init_filter
from siamtrack.tracking.state import TargetState
from siamtrack.tracking.template import TemplateFeatures

INIT_CROP_FACTORS = (0.9, 1.0, 1.11)
"""Factors on the side of the search crops of the first frame, in which the bias of a box head is measured and an online
filter is fitted."""


@torch.inference_mode()
def initialize_target(
    extractor: FeatureExtractor, frame: Image, target: Box, filter_settings: OnlineFilterSettings | None
) -> TargetState:
    """Embed a target; measure the bias of the box head and fit the online filter, where there are any.

    Args:
        extractor: runs the network.
        frame: `(H, W, 3)` uint8 BGR, the first frame.
        target: box of the target in it.
        filter_settings: settings of the online filter; None for no filter.
    """
    border = mean_color(frame)
    embedded = extractor.embed_exemplars(extractor.cut_exemplars(frame, target, border))
    exemplars = extractor.backend.cut_margin(embedded.features)
    state = TargetState(
        template=TemplateFeatures.of(exemplars, None),
        border=border,
        first_size=(target.width, target.height),
        center=clip_to_frame(target.center, frame),
        scale=1.0,
        status=Status.TRACKED,
    )
    if not extractor.backend.reads_boxes and not filter_settings:
        return state
    found = _embed_first_search(extractor, frame, state, augment=filter_settings is not None)
    if extractor.backend.reads_boxes:
        levels = [level[: len(INIT_CROP_FACTORS)] for level in found.levels]
        state = replace(state, refinement=_init_refinement(extractor, state, embedded.levels, levels))
    if filter_settings:
        geometry = extractor.geometry
        per_pixel = geometry.sizes.search_size / (geometry.search_side(state) * geometry.sizes.stride)
        cells = (target.width * per_pixel, target.height * per_pixel)
        sigma = filter_settings.sigma * geometry.target_cells
        fitted = init_filter(exemplars[len(exemplars) // 2], found.features, cells, sigma, filter_settings)
        state = replace(state, template=TemplateFeatures.of(exemplars, fitted))
    return state


def _embed_first_search(extractor: FeatureExtractor, frame: Image, state: TargetState, *, augment: bool) -> Embedding:
    """Embed search crops of the first frame: one for each of `INIT_CROP_FACTORS`, and augmented crops after them."""
    geometry = extractor.geometry
    squares = [(geometry.search_square(state, factor), state.border) for factor in INIT_CROP_FACTORS]
    crops = extractor.cut(frame, squares, geometry.sizes.search_size)
    if augment:
        crops = np.concatenate([crops, _augmented(crops[INIT_CROP_FACTORS.index(1.0)])])
    return extractor.backend.embed(extractor.upload(crops))


def _init_refinement(
    extractor: FeatureExtractor, state: TargetState, exemplar_levels: Sequence[Tensor], levels: Sequence[Tensor]
) -> BoxRefinement:
    """Measure the bias of the box head, from the levels of the exemplars and of the first search crops."""
    geometry = extractor.geometry
    middle = len(exemplar_levels[0]) // 2
    kernel = extractor.backend.box_kernels([level[middle : middle + 1] for level in exemplar_levels])[0]
    width, height = state.first_size
    scale = geometry.search_side(state) / geometry.sizes.search_size  # exemplar and search crop have the same scale
    refinement = BoxRefinement(kernel, (width / scale, height / scale), (0.0, 0.0), (0.0, 0.0), state.searched_box)
    center = (geometry.sizes.response_size - 1) / 2
    maps = extractor.read_boxes([refinement], levels)[0]
    sizes = np.array([decode_box(each, (center, center), geometry.sizes.stride).log_size for each in maps])
    bias_x, bias_y = (sizes + np.log(INIT_CROP_FACTORS)[:, None]).mean(axis=0)
    return replace(refinement, bias=(float(bias_x), float(bias_y)), log_size=(math.log(width), math.log(height)))


def _augmented(crop: Image) -> Image:
    """Return the crop mirrored, out of focus, and blurred by motion along either axis: `(4, s, s, 3)`."""
    return np.stack([crop[:, ::-1], cv2.GaussianBlur(crop, (0, 0), 2), cv2.blur(crop, (9, 1)), cv2.blur(crop, (1, 9))])
