"""From crops to features and responses: the part of the tracker that runs the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import Box, Image
from siamtrack.runtime.base import Backend, Embedding, Geometry
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.box_refinement import BoxPrediction, BoxRefinement, decode_box
from siamtrack.tracking.crops import Color, Square, crop_middle_into, crop_whole_pixels_into
from siamtrack.tracking.response import Peak
from siamtrack.tracking.scales import SearchGeometry
from siamtrack.tracking.state import TargetState


class SearchResponse(NamedTuple):
    """Output of the network for one target in a frame."""

    responses: NDArray[np.float32]
    """`(S, R, R)` responses to the exemplars, one a scale, without bias."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps, one a search crop, as `decode_box` takes them; None without a box head."""
    filter_response: NDArray[np.float32] | None
    """`(R, R)` response of the online filter, about 1 at the target; None without a filter."""
    features: Tensor
    """`(Q, C, H, W)` features of the search crops."""

    def box_at(self, peak: Peak, geometry: SearchGeometry) -> BoxPrediction | None:
        """Return the box that the head predicts around a peak; None without a box head."""
        if self.boxes is None:
            return None
        maps = self.boxes[peak.scale if len(self.boxes) > 1 else 0]
        return decode_box(maps, geometry.cell(peak, maps.shape[-1]), geometry.sizes.stride)


class FeatureExtractor:
    """Cuts crops, embeds them, and correlates them with the templates of targets.

    Args:
        backend: runs the network.
        geometry: squares to cut.
        clock: counts the time of `transfer`, `network` and `correlation`.
    """

    def __init__(self, backend: Backend, geometry: SearchGeometry, clock: StageClock) -> None:
        self.backend = backend
        self.geometry = geometry
        self.crops_seen: dict[int, int] = {}
        """Number of search crops so far, by their side in pixels."""
        self._clock = clock

    @torch.inference_mode()
    def warm_up(self, geometries: Sequence[Geometry]) -> None:
        """Let a runtime compile and compare what it made, on noise: a blank crop shows no difference.

        Args:
            geometries: sizes of the search crops to come.
        """
        rng, backend = np.random.default_rng(0), self.backend

        def noise(side: int) -> Tensor:
            return self.upload(rng.integers(0, 256, (1, side, side, 3), np.uint8))

        embedded = [backend.embed(noise(each.search_size)) for each in geometries]
        if backend.reads_boxes:
            side = self.geometry.sizes.exemplar_size
            kernels = backend.box_kernels(backend.embed_exemplars(noise(side)).levels)
            sizes = torch.full((1, 2), side / 2, device=backend.device)
            for search in embedded:
                backend.read_boxes(kernels, search.levels, sizes)

    def cut_exemplars(self, frame: Image, target: Box, border: Color) -> Image:
        """Return the exemplar crops of a target, `(E, z, z, 3)` BGR: one, or one a scale."""
        squares = [(square, border) for square in self.geometry.exemplar_squares(target)]
        return self.cut(frame, squares, self.geometry.sizes.exemplar_size)

    def embed_exemplars(self, crops: Image) -> Embedding:
        """Embed exemplar crops `(E, z, z, 3)` BGR, which are overwritten."""
        return self.backend.embed_exemplars(self.upload(crops))

    def cut_search_crops(self, frame: Image, states: Sequence[TargetState]) -> Image:
        """Return the search crops of N targets, Q each: `(N * Q, s, s, 3)` BGR."""
        return self.cut(frame, self._search_squares(states), self.geometry.sizes.search_size)

    def cut_local_crops(self, frame: Image, states: Sequence[TargetState], size: int) -> Image:
        """Return the middle of each crop of `cut_search_crops`, `(N * Q, size, size, 3)` BGR."""
        squares = self._search_squares(states)
        crops = np.empty((len(squares), size, size, 3), np.uint8)
        for crop, (square, border) in zip(crops, squares, strict=True):
            crop_middle_into(crop, frame, square, self.geometry.sizes.search_size, border)
        return crops

    def cut(self, frame: Image, squares: Sequence[tuple[Square, Color]], size: int) -> Image:
        """Cut B squares out of a frame, each with the color outside the frame: `(B, size, size, 3)` BGR."""
        crops = np.empty((len(squares), size, size, 3), np.uint8)
        for crop, (square, border) in zip(crops, squares, strict=True):
            crop_whole_pixels_into(crop, frame, square, border)
        return crops

    @torch.inference_mode()
    def respond(self, states: Sequence[TargetState], crops: Image) -> list[SearchResponse]:
        """Return the response of each of N targets in its Q crops, `(N * Q, s, s, 3)` BGR, which are overwritten."""
        backend, count, side = self.backend, len(crops) // len(states), crops.shape[1]
        self.crops_seen[side] = self.crops_seen.get(side, 0) + len(crops)
        with self._clock.measure("transfer"):
            images = self.upload(crops)
        with self._clock.measure("network"):
            features, levels = backend.embed(images)
            boxes: Sequence[NDArray[np.float32] | None] = [None] * len(states)
            if backend.reads_boxes:
                boxes = self.read_boxes([state.refinement for state in states if state.refinement], levels)
        with self._clock.measure("correlation"):
            maps = backend.correlate(_stacked_kernels(states, count), features).cpu().numpy()
            maps = maps.reshape(len(states), -1, *maps.shape[-2:])
            responses = [_split(state, each, backend.scale) for state, each in zip(states, maps, strict=True)]
        own = features.reshape(len(states), count, *features.shape[1:])
        return [
            SearchResponse(exemplar_responses, each, filter_response, seen)
            for (exemplar_responses, filter_response), each, seen in zip(responses, boxes, own, strict=True)
        ]

    def read_boxes(self, targets: Sequence[BoxRefinement], levels: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """Return the box maps `(Q, 5, R, R)` of each target, from the levels of its Q search crops."""
        count = len(levels[0]) // len(targets)
        kernels = torch.stack([target.kernel for target in targets]).repeat_interleave(count, 0)
        sizes = torch.tensor([target.exemplar_size for target in targets], device=self.backend.device)
        maps = self.backend.read_boxes(kernels, levels, sizes.repeat_interleave(count, 0))
        return list(maps.reshape(len(targets), count, *maps.shape[1:]).cpu().numpy())

    def upload(self, crops: Image) -> Tensor:
        """Bring crops `(B, s, s, 3)` uint8 BGR, which are overwritten, into the form that the backend embeds."""
        tall = crops.reshape(-1, crops.shape[2], 3)
        cv2.cvtColor(tall, cv2.COLOR_BGR2RGB, dst=tall)
        return self.backend.upload(crops)

    def _search_squares(self, states: Sequence[TargetState]) -> list[tuple[Square, Color]]:
        return [(square, state.border) for state in states for square in self.geometry.search_squares(state)]


def _stacked_kernels(states: Sequence[TargetState], count: int) -> Tensor:
    """Return the kernels for `count` search crops of each target: `(N * count, S, C, h, w)`, channels last."""
    if len(states) * count == 1:
        return states[0].template.kernels[None]
    # The channels are last in memory already, so nothing is sorted anew.
    kernels = torch.stack([state.template.kernels.permute(0, 2, 3, 1) for state in states])
    return kernels.repeat_interleave(count, 0).permute(0, 1, 4, 2, 3)


def _split(
    state: TargetState, maps: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Split the correlations of a target into responses to its exemplars and the response of its filter."""
    factor = np.float32(scale)
    if state.template.filter is None:
        return factor * maps, None
    return factor * maps[:-1], maps[-1] - np.float32(state.template.offset)
