"""What the network sees of targets in a frame: crops are cut, embedded, and compared with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import Box
from siamtrack.config import TrackingSettings
from siamtrack.runtime.base import Backend, Embedding, Geometry
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.box_refinement import BoxRefinement
from siamtrack.tracking.crops import Color, Square, crop_middle_into, crop_whole_pixels_into, exemplar_side
from siamtrack.tracking.response import Peak
from siamtrack.tracking.scales import ScalePyramid, whole_pixels
from siamtrack.tracking.state import TargetState


class SearchResponse(NamedTuple):
    """What the network answers about one target in a frame."""

    responses: NDArray[np.float32]
    """`(S, R, R)` responses without bias."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps as `decode_box` takes them; None where the network reads no boxes."""
    learnt: NDArray[np.float32] | None
    """`(R, R)` answers of the filter that is learnt; None without one."""
    features: Tensor
    """`(Q, C, H, W)` of the embedded search crops."""


class FeatureExtractor:
    """Looks at targets through a backend.

    Args:
        backend: embeds and compares.
        settings: which crops to cut.
        clock: is told the time of `transfer`, `network` and `correlation`.

    Raises:
        UsageError: for a search size that does not fit the network.
    """

    def __init__(self, backend: Backend, settings: TrackingSettings, clock: StageClock) -> None:
        self.backend = backend
        self.pyramid = ScalePyramid.from_settings(settings)
        self.geometry = geometry = backend.geometry.with_search_size(settings.search_size)
        self.target_cells = geometry.exemplar_size / (2 * geometry.stride)
        """Side of the target in cells: the exemplar shows twice as much."""
        self.crops_seen: dict[int, int] = {}
        """Search crops that were looked at, by their side in pixels."""
        self._context = settings.context
        self._clock = clock

    @torch.inference_mode()
    def warm_up(self, geometries: Sequence[Geometry]) -> None:
        """Let a runtime compile and compare what it made: on noise, as a blank crop would tell nothing.

        Args:
            geometries: of the search crops to come.
        """
        rng, backend = np.random.default_rng(0), self.backend

        def noise(side: int) -> Tensor:
            return self.upload(rng.integers(0, 256, (1, side, side, 3), np.uint8))

        seen = [backend.embed(noise(each.search_size)) for each in geometries]
        if backend.reads_boxes:
            kernels = backend.box_kernels(backend.embed_exemplars(noise(self.geometry.exemplar_size)).levels)
            sizes = torch.full((1, 2), self.geometry.exemplar_size / 2, device=backend.device)
            for search in seen:
                backend.read_boxes(kernels, search.levels, sizes)

    def cut_exemplars(self, frame: NDArray[np.uint8], target: Box, border: Color) -> NDArray[np.uint8]:
        """The exemplar crops of a target, `(E, z, z, 3)` BGR: one, or one a scale."""
        side = exemplar_side(target.width, target.height, self._context)
        factors = self.pyramid.exemplar_factors
        crops = empty_crops(len(factors), self.geometry.exemplar_size)
        for crop, factor in zip(crops, factors, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(target.center, side / factor), border)
        return crops

    def embed_exemplars(self, crops: NDArray[np.uint8]) -> Embedding:
        """Embed exemplar crops `(E, z, z, 3)` BGR, which are overwritten."""
        return self.backend.embed_exemplars(self.upload(crops))

    def cut_searches(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> NDArray[np.uint8]:
        """The search crops of N targets, Q each: `(N * Q, s, s, 3)` BGR, from a frame `(H, W, 3)` uint8 BGR."""
        squares = self._search_squares(states)
        crops = empty_crops(len(squares), self.geometry.search_size)
        for crop, (square, border) in zip(crops, squares, strict=True):
            crop_whole_pixels_into(crop, frame, square, border)
        return crops

    def cut_middles(
        self, frame: NDArray[np.uint8], states: Sequence[TargetState], geometry: Geometry
    ) -> NDArray[np.uint8]:
        """What `cut_searches` gives, but the middle of each crop alone: as large as those of a geometry."""
        squares = self._search_squares(states)
        crops = empty_crops(len(squares), geometry.search_size)
        for crop, (square, border) in zip(crops, squares, strict=True):
            crop_middle_into(crop, frame, square, self.geometry.search_size, border)
        return crops

    @torch.inference_mode()
    def look(self, states: Sequence[TargetState], crops: NDArray[np.uint8]) -> list[SearchResponse]:
        """What is seen of N targets in Q crops each, `(N * Q, s, s, 3)` BGR, which are overwritten."""
        backend, count = self.backend, len(crops) // len(states)
        side = crops.shape[1]
        self.crops_seen[side] = self.crops_seen.get(side, 0) + len(crops)
        with self._clock.measure("transfer"):
            images = self.upload(crops)
        with self._clock.measure("network"):
            features, levels = backend.embed(images)
            boxes: Sequence[NDArray[np.float32] | None] = [None] * len(states)
            if backend.reads_boxes:
                boxes = self.read_boxes([state.refinement for state in states if state.refinement], levels)
        with self._clock.measure("correlation"):
            maps = backend.correlate(_stacked(states, count), features).cpu().numpy()
            maps = maps.reshape(len(states), -1, *maps.shape[-2:])
            answers = [_answers(state, each, backend.scale) for state, each in zip(states, maps, strict=True)]
        own = features.reshape(len(states), count, *features.shape[1:])
        return [
            SearchResponse(responses, each, learnt, seen)
            for (responses, learnt), each, seen in zip(answers, boxes, own, strict=True)
        ]

    def read_boxes(self, shapes: Sequence[BoxRefinement], levels: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """Box maps `(Q, 5, R, R)` of each target, as `decode_box` takes them, from the levels of its Q search crops."""
        searches = len(levels[0]) // len(shapes)
        kernels = torch.stack([shape.kernel for shape in shapes]).repeat_interleave(searches, 0)
        sizes = torch.tensor([shape.exemplar_size for shape in shapes], device=self.backend.device)
        maps = self.backend.read_boxes(kernels, levels, sizes.repeat_interleave(searches, 0))
        return list(maps.reshape(len(shapes), searches, *maps.shape[1:]).cpu().numpy())

    def upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """Crops `(B, s, s, 3)` uint8 BGR, which are overwritten, to what the backend embeds."""
        tall = crops.reshape(-1, crops.shape[2], 3)
        cv2.cvtColor(tall, cv2.COLOR_BGR2RGB, dst=tall)
        return self.backend.upload(crops)

    def _search_squares(self, states: Sequence[TargetState]) -> list[tuple[Square, Color]]:
        """What each search crop of N targets, Q each, shows, and the color outside the frame."""
        return [
            (self.search_square(state, factor), state.border)
            for state in states
            for factor in self.pyramid.crops(state.age)
        ]

    def search_square(self, state: TargetState, factor: float) -> Square:
        """What a search crop shows of the frame.

        Args:
            state: of the target.
            factor: on the side of the usual crop at the present size.
        """
        return whole_pixels(state.center, self.search_side(state) * factor)

    def search_side(self, state: TargetState) -> float:
        """Side of the usual search crop at the present size, in pixels of the frame."""
        side = exemplar_side(*state.first_size, self._context) * state.scale
        return side * self.geometry.search_size / self.geometry.exemplar_size

    def crop_scale(self, state: TargetState, peak: Peak) -> float:
        """Pixels of the frame in a pixel of the search crop that the peak was seen in."""
        factor = self.pyramid.search_factor(peak.scale, state.age)
        return self.search_side(state) * factor / self.geometry.search_size


def empty_crops(count: int, size: int) -> NDArray[np.uint8]:
    """Room for crops, `(count, size, size, 3)`."""
    return np.empty((count, size, size, 3), np.uint8)


def _stacked(states: Sequence[TargetState], count: int) -> Tensor:
    """What `count` search crops of each target are compared with: `(N * count, S, C, h, w)`, channels last."""
    if len(states) * count == 1:
        return states[0].compared.kernels[None]
    # With their channels last, as they are, nothing is sorted anew.
    kernels = torch.stack([state.compared.kernels.permute(0, 2, 3, 1) for state in states])
    return kernels.repeat_interleave(count, 0).permute(0, 1, 4, 2, 3)


def _answers(
    state: TargetState, maps: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The responses to the exemplars, and the filter's answer, from correlations with what the state is compared by."""
    factor = np.float32(scale)
    if state.filter is None:
        return factor * maps, None
    return factor * maps[:-1], maps[-1] - np.float32(state.compared.offset)
