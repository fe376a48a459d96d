"""The tracker: a network, settings, and the step from frame to frame."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.backends.base import Backend, Embedding, Geometry
from siamtrack.backends.devices import find_device
from siamtrack.backends.pytorch import TorchBackend
from siamtrack.boxes import Box, validate_box
from siamtrack.config import TrackingSettings, UpdateSettings
from siamtrack.errors import UsageError
from siamtrack.models.tracking import TrackingNetwork
from siamtrack.models.weights import ModelCard
from siamtrack.tracking.adaptive import begin, learn
from siamtrack.tracking.confidence import believe, confidence, read_signals
from siamtrack.tracking.crops import Color, Square, crop_whole_pixels_into, exemplar_side, mean_color
from siamtrack.tracking.kernels import (
    Peak,
    find_answered_peak,
    find_peak,
    make_tables,
    mix_with_window,
    needs_compiling,
    upsample_maps,
)
from siamtrack.tracking.near import Around, is_calm, is_due
from siamtrack.tracking.redetect import best_of, places
from siamtrack.tracking.refine import Reading, Refinement, as_read, read_box, refine
from siamtrack.tracking.search import ScalePyramid, whole_pixels
from siamtrack.tracking.states import Observation, TargetState, TrackResult
from siamtrack.tracking.status import Status
from siamtrack.tracking.template import renew

_logger = logging.getLogger(__name__)

FIRST_LOOKS = (0.9, 1.0, 1.11)
"""Sides of the search crops of the first frame, in which the bias of a box head is measured and a filter is begun; 1 is
the usual side."""


class _Sight(NamedTuple):
    """What the network answers about one target in a frame."""

    responses: NDArray[np.float32]
    """`(S, R, R)` responses without bias."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps as `read_box` takes them; None where the network reads no boxes."""
    learnt: NDArray[np.float32] | None
    """`(R, R)` answers of the filter that is learnt; None without one."""
    features: Tensor
    """`(Q, C, H, W)` of the embedded search crops."""


class Tracker:
    """Follows targets through frames, `(H, W, 3)` uint8 BGR (Bertinetto et al. 2016, sections 2.3 and 3.4).

    For one target, `init` and `update`; for any number, `start` one state each and `step` all of them together.
    `stage_seconds` adds up the time that steps spend in `crop`, `transfer` (to where the network runs),
    `network`, `correlation`, `postprocess` and, where a filter is learnt while tracking, `learn`; `start_seconds` that
    of `start`. `crops_seen` counts the search crops of steps, by their side in pixels.

    >>> source = siamtrack.open_source("clip.mp4")
    >>> tracker = siamtrack.load()
    >>> tracker.init(next(source).image, (120, 80, 64, 48))
    >>> result = tracker.update(next(source).image)
    >>> result.box
    Box(x=12..., y=8..., width=6..., height=4...)
    >>> result.status
    <Status.TRACKED: 'tracked'>

    Args:
        network: stays as it is, the tracker uses a copy prepared for inference in float32; or a backend that runs one.
        settings: how to search.
        card: what is known about the weights.
        device: of a network: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: for a device that does not exist here, a search size that does not fit the network or is no smaller
            where it is to be, or a filter to be learnt for a network that does not correlate.
    """

    def __init__(
        self,
        network: TrackingNetwork | Backend,
        settings: TrackingSettings | None = None,
        card: ModelCard | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or TrackingSettings()
        self.card = card
        self.backend = network if isinstance(network, Backend) else TorchBackend(network, find_device(device))
        if self.settings.adaptation and self.backend.comparison != "dot":
            raise UsageError(
                f"adaptation learns a filter for the correlation, and this network compares by "
                f"{self.backend.comparison}: track without adaptation"
            )
        self.start_seconds = 0.0
        stages = ("crop", "transfer", "network", "correlation", "postprocess")
        self.crops_seen: dict[int, int] = {}
        self.stage_seconds = dict.fromkeys(stages, 0.0)
        if self.settings.adaptation:
            self.stage_seconds["learn"] = 0.0
        if self.settings.update:
            self.stage_seconds["renew"] = 0.0
        self._pyramid = ScalePyramid.from_settings(self.settings)
        self.geometry = geometry = self.backend.geometry.with_search_size(self.settings.search_size)
        self._tables = make_tables(geometry.response_size, self.settings.upsample)
        # Of the upsampled map: its middle, and pixels of the search crop from one position to the next.
        self._middle = (geometry.response_size * self.settings.upsample - 1) / 2
        self._spacing = geometry.stride / self.settings.upsample
        # The exemplar shows twice the target's side: what lies within half a target of the peak is the target itself.
        self._radius = max(1, round(geometry.exemplar_size / (4 * geometry.stride)))
        self._peak_arguments = self.settings.scale_penalty, self.settings.window_influence, self._radius, self._tables
        self._target_cells = geometry.exemplar_size / (2 * geometry.stride)
        self._near = self._near_geometry()
        self._state: TargetState | None = None
        # Compiles (or loads from numba's cache) here, not in the first frame.
        if needs_compiling():
            _logger.info("compiling for this processor, which takes some seconds once")
        blank = np.zeros((self.settings.scales, geometry.response_size, geometry.response_size), np.float32)
        find_peak(blank, *self._peak_arguments)
        if self.settings.adaptation:
            find_answered_peak(blank, blank[0], *self._peak_arguments)
        self._warm_up()

    @torch.inference_mode()
    def _warm_up(self) -> None:
        """Let a runtime compile and compare what it made: on noise, as a blank crop would tell nothing."""
        rng, backend = np.random.default_rng(0), self.backend

        def noise(side: int) -> Tensor:
            return self._upload(rng.integers(0, 256, (1, side, side, 3), np.uint8))

        seen = [backend.embed(noise(each.search_size)) for each in filter(None, (self.geometry, self._near))]
        if backend.reads_boxes:
            kernels = backend.box_kernels(backend.embed_exemplars(noise(self.geometry.exemplar_size)).levels)
            sizes = torch.full((1, 2), self.geometry.exemplar_size / 2, device=backend.device)
            for search in seen:
                backend.read_boxes(kernels, search.levels, sizes)

    def init(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> None:
        """Set the one target that `update` follows; arguments and errors as of `start`."""
        self._state = self.start(frame, box)

    def update(self, frame: NDArray[np.uint8]) -> TrackResult:
        """Find the target of `init` in the next frame, `(H, W, 3)` uint8 BGR.

        Raises:
            UsageError: before `init`, or when the frame is not such an array.
        """
        if self._state is None:
            raise UsageError("update() before init(): tell the tracker what to follow with init(frame, box)")
        (result,) = self.step(frame, [self._state])
        self._state = result.state
        return result

    def start(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> TargetState:
        """Embed a target.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            box: `x, y, width, height` in pixels, 0-based and continuous; it may hang over the border.

        Returns:
            The state to give to `step` with the next frame.

        Raises:
            UsageError: when the frame is not such an array.
            BoxError: when the box cannot be tracked (see `validate_box`).
        """
        _check_frame(frame)
        target = validate_box(box, frame.shape[1], frame.shape[0])
        began = time.perf_counter()
        border = mean_color(frame)
        exemplars = self.backend.embed_exemplars(self._upload(self._cut_exemplars(frame, target, border)))
        kernels = self.backend.cut_margin(exemplars.features)
        center = _into_frame(target.center, frame)
        state = TargetState(kernels, border, (target.width, target.height), center, 1.0, Status.TRACKED)
        state = self._look_first(frame, state, exemplars)
        self.start_seconds += time.perf_counter() - began
        return state

    def step(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> list[TrackResult]:
        """Find targets in the next frame, all together.

        Args:
            frame: `(H, W, 3)` uint8 BGR; its size may differ from that of the last frame.
            states: from `start` or from the results of the last frame, in any order and number.

        Returns:
            One result a state, in the same order; each carries the next state.

        Raises:
            UsageError: when the frame is not such an array.
        """
        _check_frame(frame)
        if not states:
            return []
        found = self._search_near(frame, states)
        others = iter(self._search(frame, [state for index, state in enumerate(states) if index not in found]))
        results = [found[index] if index in found else next(others) for index in range(len(states))]
        if self.settings.update:
            with self._timed("renew"):
                results = self._renew(frame, results, self.settings.update)
        return results

    def observe(self, frame: NDArray[np.uint8], state: TargetState) -> Observation:
        """Do a step for one target and keep everything that led to its result; slower than `step`.

        It looks at the usual search crop, also where `step` would take the near one (`settings.near`).

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            state: as of `step`.

        Raises:
            UsageError: when the frame is not such an array.
        """
        _check_frame(frame)
        chances = self._chances(frame, state)
        crops = self._cut_searches(frame, chances, self.geometry)
        seen = crops.copy()  # the network's input is made in place
        sights = self._respond(chances, crops)
        advanced = [
            self._advance(frame, state, sight, Around(sight.responses, sight.learnt))
            for state, sight in zip(chances, sights, strict=True)
        ]
        taken = self._take(advanced, range(len(chances)))
        state, sight, result = chances[taken], sights[taken], advanced[taken]
        seen = seen.reshape(len(chances), -1, *seen.shape[1:])[taken]
        responses, boxes = sight.responses, sight.boxes
        peak, settings = result.peak, self.settings
        maps = upsample_maps(responses, self._tables)
        window = np.outer(self._tables.window, self._tables.window)
        middle = len(maps) // 2
        factors = [1.0 if scale == middle else settings.scale_penalty for scale in range(len(maps))]
        tops = [float(each.max()) for each in maps]
        # A map without evidence, whose APCE is 0, leaves the position to the window.
        chosen = maps[peak.scale] if peak.apce > 0 else np.zeros_like(maps[peak.scale])
        if sight.learnt is not None:
            (chosen,) = upsample_maps(np.maximum(sight.learnt, 0)[None], self._tables)
        reading = self._read(state, boxes, peak)
        box_read = None
        if reading is not None and state.refinement is not None:
            box_read = as_read(state.refinement, reading, state.center, self._crop_scale(state, peak))
        return Observation(
            crops=seen,
            squares=tuple(self._search_square(state, factor) for factor in self._pyramid.crops(state.age)),
            responses=responses,
            maps=maps,
            penalised=tuple(top * f if top > 0 else top / f for top, f in zip(tops, factors, strict=True)),
            window=window,
            mixture=mix_with_window(chosen, settings.window_influence, window),
            learnt=sight.learnt,
            factors=self._pyramid.tried(state.age),
            boxes=boxes,
            box_read=box_read,
            quality=None if reading is None else reading.quality,
            result=result,
        )

    def cut_exemplars(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
        """The exemplar crops that `start` embeds, `(E, z, z, 3)` BGR: one, or one a scale; arguments as of `start`."""
        _check_frame(frame)
        return self._cut_exemplars(frame, validate_box(box, frame.shape[1], frame.shape[0]), mean_color(frame))

    def _search_near(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> dict[int, TrackResult]:
        """The results, by index, of those targets for which the near search crop was enough."""
        near, geometry = self.settings.near, self._near
        if near is None or geometry is None:
            return {}
        every = self.settings.adaptation.every if self.settings.adaptation else None
        around = {
            index: state.around
            for index, state in enumerate(states)
            if state.around and not is_due(state.age + 1, near, every)
        }
        if not around:
            return {}
        looked = [states[index] for index in around]
        with self._timed("crop"):
            crops = self._cut_searches(frame, looked, geometry)
        sights = self._respond(looked, crops)
        with self._timed("postprocess"):
            found = {}
            for (index, known), state, sight in zip(around.items(), looked, sights, strict=True):
                whole = known.with_middle(sight.responses, sight.learnt)
                seen = sight._replace(responses=whole.responses, learnt=whole.learnt)
                result = self._advance(frame, state, seen, known)
                if result.state.around is not None:
                    found[index] = result
        return found

    def _search(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> list[TrackResult]:
        """The results of targets that are looked for in the usual search crops, and elsewhere when they are lost."""
        if not states:
            return []
        with self._timed("crop"):
            chances = [self._chances(frame, state) for state in states]
            tried = [chance for each in chances for chance in each]
            crops = self._cut_searches(frame, tried, self.geometry)
        sights = self._respond(tried, crops)
        with self._timed("postprocess"):
            advanced = [
                self._advance(frame, state, sight, Around(sight.responses, sight.learnt))
                for state, sight in zip(tried, sights, strict=True)
            ]
            taken = [self._take(advanced, span) for span in _spans(chances)]
            results = [advanced[index] for index in taken]
        if self.settings.adaptation:
            with self._timed("learn"):
                results = [self._learn(result, sights[index]) for result, index in zip(results, taken, strict=True)]
        return results

    def _is_calm(self, peak: Peak, status: Status, sure: float) -> bool:
        """Whether the near search crop is enough for a target that was found so."""
        near = self.settings.near
        if near is None or self._near is None or status is not Status.TRACKED:
            return False
        x, y = self._cell(peak, 1)
        return is_calm((x / self._target_cells, y / self._target_cells), sure, near)

    def _near_geometry(self) -> Geometry | None:
        """That of the near search crop; None where the usual one is searched in every frame.

        Raises:
            UsageError: when it is not smaller than the usual one, does not fit the network, or shows less than a target
                may move.
        """
        near, usual = self.settings.near, self.geometry.search_size
        if near is None or self.settings.scale_search != "exemplar":
            return None
        if near.size >= usual:
            raise UsageError(f"near.size {near.size} is not smaller than the search crop, {usual}: give a smaller one")
        geometry = self.geometry.with_search_size(near.size)
        reach = (geometry.response_size - 1) / 2 / self._target_cells
        if near.within > reach:
            raise UsageError(
                f"near.within {near.within:g} is more than crops of near.size {near.size} show: give {reach:g} or less"
            )
        return geometry

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.stage_seconds[stage] += time.perf_counter() - began

    def _cut_exemplars(self, frame: NDArray[np.uint8], target: Box, border: Color) -> NDArray[np.uint8]:
        side = exemplar_side(target.width, target.height, self.settings.context)
        factors = self._pyramid.exemplar_factors
        crops = self._empty_crops(len(factors), self.geometry.exemplar_size)
        for crop, factor in zip(crops, factors, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(target.center, side / factor), border)
        return crops

    def _cut_searches(
        self, frame: NDArray[np.uint8], states: Sequence[TargetState], geometry: Geometry
    ) -> NDArray[np.uint8]:
        """The search crops of N targets, Q each: `(N * Q, s, s, 3)` BGR."""
        share = geometry.search_size / self.geometry.search_size
        places = [(state, factor) for state in states for factor in self._pyramid.crops(state.age)]
        crops = self._empty_crops(len(places), geometry.search_size)
        for crop, (state, factor) in zip(crops, places, strict=True):
            crop_whole_pixels_into(crop, frame, self._search_square(state, factor * share), state.border)
        return crops

    def _search_square(self, state: TargetState, factor: float) -> Square:
        return whole_pixels(state.center, self._search_side(state) * factor)

    def _empty_crops(self, count: int, size: int) -> NDArray[np.uint8]:
        return np.empty((count, size, size, 3), np.uint8)

    def _upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """Crops `(B, s, s, 3)` uint8 BGR, which are overwritten, to what the backend embeds."""
        tall = crops.reshape(-1, crops.shape[2], 3)
        cv2.cvtColor(tall, cv2.COLOR_BGR2RGB, dst=tall)
        return self.backend.upload(crops)

    @torch.inference_mode()
    def _look_first(self, frame: NDArray[np.uint8], state: TargetState, exemplars: Embedding) -> TargetState:
        """Learn from the first frame, in which the box is known."""
        backend, adaptation = self.backend, self.settings.adaptation
        geometry = self.geometry
        if not backend.reads_boxes and not adaptation:
            return state
        side = self._search_side(state)
        crops = self._empty_crops(len(FIRST_LOOKS), geometry.search_size)
        for crop, factor in zip(crops, FIRST_LOOKS, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(state.center, side * factor), state.border)
        if adaptation:
            crops = np.concatenate([crops, _disturbed(crops[FIRST_LOOKS.index(1.0)])])
        features, levels = backend.embed(self._upload(crops))
        if backend.reads_boxes:
            levels = tuple(level[: len(FIRST_LOOKS)] for level in levels)
            state = replace(state, refinement=self._learn_shape(state, exemplars.levels, levels))
        if adaptation:
            kernel = state.kernels[len(state.kernels) // 2]
            sigma = adaptation.sigma * self._target_cells
            per_pixel = geometry.search_size / (side * geometry.stride)
            width, height = state.first_size
            cells = (width * per_pixel, height * per_pixel)
            state = replace(state, filter=begin(kernel, features, cells, sigma, adaptation))
        return state

    def _learn_shape(
        self, state: TargetState, exemplar_levels: Sequence[Tensor], levels: Sequence[Tensor]
    ) -> Refinement:
        """What the network makes of the target's shape, from the levels of the exemplars and of the first looks."""
        geometry = self.geometry
        middle = len(exemplar_levels[0]) // 2
        kernel = self.backend.box_kernels([level[middle : middle + 1] for level in exemplar_levels])[0]
        width, height = state.first_size
        scale = self._search_side(state) / geometry.search_size  # the same for the exemplar crop
        shape = Refinement(kernel, (width / scale, height / scale), (0.0, 0.0), (0.0, 0.0), state.searched_box)
        center = (geometry.response_size - 1) / 2
        maps = self._read_boxes([shape], levels)[0]
        sizes = np.array([read_box(each, (center, center), geometry.stride).log_size for each in maps])
        bias_x, bias_y = (sizes + np.log(FIRST_LOOKS)[:, None]).mean(axis=0)
        return replace(shape, bias=(float(bias_x), float(bias_y)), log_size=(math.log(width), math.log(height)))

    @torch.inference_mode()
    def _respond(self, states: Sequence[TargetState], crops: NDArray[np.uint8]) -> list[_Sight]:
        """What is seen of N targets in Q crops each, `(N * Q, s, s, 3)`."""
        backend, count = self.backend, len(crops) // len(states)
        side = crops.shape[1]
        self.crops_seen[side] = self.crops_seen.get(side, 0) + len(crops)
        with self._timed("transfer"):
            images = self._upload(crops)
        with self._timed("network"):
            features, levels = backend.embed(images)
            boxes: Sequence[NDArray[np.float32] | None] = [None] * len(states)
            if backend.reads_boxes:
                boxes = self._read_boxes([state.refinement for state in states if state.refinement], levels)
        with self._timed("correlation"):
            maps = backend.correlate(_stacked(states, count), features).cpu().numpy()
            maps = maps.reshape(len(states), -1, *maps.shape[-2:])
            answers = [_answers(state, each, backend.scale) for state, each in zip(states, maps, strict=True)]
        own = features.reshape(len(states), count, *features.shape[1:])
        return [
            _Sight(responses, each, learnt, seen)
            for (responses, learnt), each, seen in zip(answers, boxes, own, strict=True)
        ]

    @torch.inference_mode()
    def _learn(self, result: TrackResult, sight: _Sight) -> TrackResult:
        """The same result with a filter that knows this frame, if it is one to learn from."""
        state, settings = result.state, self.settings.adaptation
        if settings is None or state.filter is None or sight.learnt is None or state.belief.lost:
            return result
        if state.age % settings.every or float(sight.learnt.max()) < settings.above:
            return result
        sigma = settings.sigma * self._target_cells
        cell = self._cell(result.peak, sight.learnt.shape[-1])
        known = learn(state.filter, sight.features[0], cell, sigma, settings)
        return replace(result, state=replace(state, filter=known))

    @torch.inference_mode()
    def _renew(
        self, frame: NDArray[np.uint8], results: Sequence[TrackResult], settings: UpdateSettings
    ) -> list[TrackResult]:
        """The same results with templates that know this frame, where it is one to learn from."""
        renewed = list(results)
        due = [
            index
            for index, result in enumerate(results)
            if result.status is Status.TRACKED
            and result.score >= settings.above
            and result.state.age % settings.every == 0
        ]
        if not due:
            return renewed
        states = [results[index].state for index in due]
        crops = np.concatenate([self._cut_exemplars(frame, state.searched_box, state.border) for state in states])
        kernels = self.backend.cut_margin(self.backend.embed_exemplars(self._upload(crops)).features)
        for index, state, seen in zip(due, states, kernels.chunk(len(due)), strict=True):
            first = state.kernels if state.template is None else state.template.first
            template = renew(state.template, first, seen, settings)
            known = replace(state, template=template, kernels=template.mixed(settings.share))
            renewed[index] = replace(results[index], state=known)
        return renewed

    def _read_boxes(self, shapes: Sequence[Refinement], levels: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """Box maps `(Q, 5, R, R)` of each target, as `read_box` takes them, from the levels of its Q search crops."""
        searches = len(levels[0]) // len(shapes)
        kernels = torch.stack([shape.kernel for shape in shapes]).repeat_interleave(searches, 0)
        sizes = torch.tensor([shape.exemplar_size for shape in shapes], device=self.backend.device)
        maps = self.backend.read_boxes(kernels, levels, sizes.repeat_interleave(searches, 0))
        return list(maps.reshape(len(shapes), searches, *maps.shape[1:]).cpu().numpy())

    def _choose(self, sight: _Sight) -> tuple[Peak, float]:
        """Scale and figures from the responses to the exemplar, the position from the filter where one is learnt.

        Beside it, the filter's greatest answer, 0 without one.
        """
        if sight.learnt is None:
            return find_peak(sight.responses, *self._peak_arguments), 0.0
        return find_answered_peak(sight.responses, sight.learnt, *self._peak_arguments)

    def _advance(self, frame: NDArray[np.uint8], state: TargetState, sight: _Sight, around: Around) -> TrackResult:
        """The step from what is seen of a target, and what was last seen around it, to its next state."""
        peak, answer = self._choose(sight)
        settings = self.settings
        factor = self._pyramid.search_factor(peak.scale, state.age)
        # Positions of the upsampled grid -> cells -> pixels of the search crop -> pixels of the frame.
        pixels = self._spacing * self._search_side(state) * factor / self.geometry.search_size
        x = state.center[0] + (peak.col - self._middle) * pixels
        y = state.center[1] + (peak.row - self._middle) * pixels
        found, reference = self._found_scale(state, peak)
        # A scale that has its turn once in a while is followed at once.
        damping = 1.0 if self._pyramid.in_turn else settings.scale_damping
        change = 1 - damping + damping * found
        scale = min(max(state.scale * change, settings.min_size), settings.max_size)
        reading = self._read(state, sight.boxes, peak)
        signals = read_signals(peak, self.backend.bias, answer, reading.quality if reading else None)
        sure = confidence(signals, state.belief.usual, settings.confidence)
        belief, status = believe(state.belief, signals, sure, settings)
        center, age = _into_frame((x, y), frame), state.age + 1
        new = replace(
            state,
            center=center,
            scale=scale,
            status=status,
            age=age,
            reference=reference,
            belief=belief,
            around=around if self._is_calm(peak, status, sure) else None,
            seen=None,
        )
        if status is not Status.TRACKED or sure < settings.confidence.found_above:
            new = replace(new, seen=state.last_seen)
        if reading is not None and state.refinement is not None:
            crop_scale = self._crop_scale(state, peak)
            shape = refine(state.refinement, reading, new.searched_box, state.center, crop_scale, settings)
            followed = scale * math.exp(settings.box_scale_share * shape.growth(new.searched_box))
            new = replace(new, refinement=shape, scale=min(max(followed, settings.min_size), settings.max_size))
        return TrackResult(new.box, sure, status, peak, new, signals)

    def _chances(self, frame: NDArray[np.uint8], state: TargetState) -> list[TargetState]:
        """The states that the target may be in before this frame: the usual one, and more where it is lost."""
        recovery, lost = self.settings.recovery, state.belief.lost
        if recovery is None or not lost:
            return [state]
        geometry, last = self.geometry, state.last_seen
        reach = self._search_side(last) * (geometry.response_size - 1) * geometry.stride / geometry.search_size
        size = (frame.shape[1], frame.shape[0])
        # What was known when it was last seen, at another place; that it was there again at this one proves nothing.
        moved = replace(last, age=state.age, status=state.status, belief=replace(state.belief, proofs=0), seen=last)
        here = state if state.belief.proofs else replace(moved, center=state.center)
        return [
            here,
            *(replace(moved, center=at) for at in places(size, last.center, reach, lost - 1, recovery.crops)),
        ]

    def _take(self, advanced: Sequence[TrackResult], chances: range) -> int:
        """The index of what is believed of all the chances that a target had."""
        results = [advanced[index] for index in chances]
        if len(results) == 1:
            return chances[0]
        there = [each.state.belief.there for each in results]
        return chances[best_of([each.score for each in results], there, [each.box for each in results])]

    def _found_scale(self, state: TargetState, peak: Peak) -> tuple[float, float]:
        """The factor that the size is to follow, and the next reference of scales that are tried in turn."""
        factor = self._pyramid.tried(state.age)[peak.scale]
        if not self._pyramid.in_turn:
            return factor, state.reference
        # No penalty: what it is compared with is of an earlier frame, and greater for that.
        if factor == 1 or peak.peak > state.reference:
            return factor, peak.peak
        return 1.0, state.reference

    def _read(self, state: TargetState, boxes: NDArray[np.float32] | None, peak: Peak) -> Reading | None:
        """The box around the peak, from `(Q, 5, R, R)` box maps; None where the network reads no boxes."""
        if boxes is None or state.refinement is None:
            return None
        seen = boxes[peak.scale if len(boxes) > 1 else 0]
        return read_box(seen, self._cell(peak, seen.shape[-1]), self.geometry.stride)

    def _cell(self, peak: Peak, size: int) -> tuple[float, float]:
        """Column and row of a position in a map of `size` cells, fractions allowed."""
        per_cell, middle = self.settings.upsample, (size - 1) / 2
        return middle + (peak.col - self._middle) / per_cell, middle + (peak.row - self._middle) / per_cell

    def _crop_scale(self, state: TargetState, peak: Peak) -> float:
        """Pixels of the frame in a pixel of the search crop that the peak was seen in."""
        factor = self._pyramid.search_factor(peak.scale, state.age)
        return self._search_side(state) * factor / self.geometry.search_size

    def _search_side(self, state: TargetState) -> float:
        side = exemplar_side(*state.first_size, self.settings.context) * state.scale
        return side * self.geometry.search_size / self.geometry.exemplar_size


def _check_frame(frame: NDArray[np.uint8]) -> None:
    if not isinstance(frame, np.ndarray):
        raise UsageError(f"a frame is a NumPy array, (height, width, 3) uint8 BGR; this is a {type(frame).__name__}")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise UsageError(
            f"a frame of shape {frame.shape} and type {frame.dtype} cannot be tracked: "
            "give (height, width, 3) uint8 BGR, siamtrack.io.to_bgr8 converts"
        )


def _into_frame(center: tuple[float, float], frame: NDArray[np.uint8]) -> tuple[float, float]:
    return min(max(center[0], 0.0), float(frame.shape[1])), min(max(center[1], 0.0), float(frame.shape[0]))


def _spans(groups: Sequence[Sequence[object]]) -> list[range]:
    """Where the members of each group are once the groups stand one after the other."""
    ends = list(accumulate(len(group) for group in groups))
    return [range(end - len(group), end) for group, end in zip(groups, ends, strict=True)]


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


def _disturbed(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The crop mirrored, out of focus, and blurred by motion along either axis: `(4, s, s, 3)`."""
    return np.stack([crop[:, ::-1], cv2.GaussianBlur(crop, (0, 0), 2), cv2.blur(crop, (9, 1)), cv2.blur(crop, (1, 9))])
