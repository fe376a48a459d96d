"""The tracker: a network, settings, and the step from frame to frame."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from itertools import accumulate
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.boxes import validate_box
from siamtrack.config import TemplateUpdateSettings, TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.weights import ModelCard
from siamtrack.runtime.base import Backend
from siamtrack.runtime.devices import find_device, torch_threads
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.box_refinement import BoxPrediction, decode_box, predicted_box, refine
from siamtrack.tracking.confidence import Status, confidence, read_signals, update_state
from siamtrack.tracking.crops import mean_color
from siamtrack.tracking.feature_extractor import FeatureExtractor, SearchResponse
from siamtrack.tracking.initialization import initialize_target
from siamtrack.tracking.local_search import ResponseContext, is_stationary, local_geometry, needs_full_search
from siamtrack.tracking.online_filter.filter import learn
from siamtrack.tracking.online_filter.solver import compile_solver
from siamtrack.tracking.redetection import places, select_candidate
from siamtrack.tracking.response import (
    Peak,
    find_answered_peak,
    find_peak,
    make_tables,
    mix_with_window,
    needs_compiling,
    upsample_maps,
)
from siamtrack.tracking.state import Observation, TargetState, TrackResult
from siamtrack.tracking.template import renew

_logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def _limit_threads(method: Callable[Concatenate[Tracker, P], T]) -> Callable[Concatenate[Tracker, P], T]:
    """Run a method of a tracker on the CPU threads of its backend; the process keeps its own number."""

    @wraps(method)
    def limited(self: Tracker, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with torch_threads(self.backend.threads):
            return method(self, *args, **kwargs)

    return limited


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
        UsageError: for a device that does not exist here, a search size that does not fit the network, or a filter to
            be learnt for a network that does not correlate.
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
        if self.settings.online_filter and self.backend.comparison != "dot":
            raise UsageError(
                f"online_filter learns a filter for the correlation, and this network compares by "
                f"{self.backend.comparison}: track without it"
            )
        self.start_seconds = 0.0
        sometimes = {"learn": self.settings.online_filter, "renew": self.settings.template_update}
        self._clock = StageClock(
            *("crop", "transfer", "network", "correlation", "postprocess"),
            *(stage for stage, asked_for in sometimes.items() if asked_for),
        )
        self.stage_seconds = self._clock.seconds
        self._extractor = FeatureExtractor(self.backend, self.settings, self._clock)
        self.crops_seen = self._extractor.crops_seen
        self.geometry = geometry = self._extractor.geometry
        self._near = local_geometry(self.settings, geometry, self._extractor.target_cells)
        self._tables = make_tables(geometry.response_size, self.settings.upsample)
        # Of the upsampled map: its middle, and pixels of the search crop from one position to the next.
        self._middle = (geometry.response_size * self.settings.upsample - 1) / 2
        self._spacing = geometry.stride / self.settings.upsample
        # The exemplar shows twice the target's side: what lies within half a target of the peak is the target itself.
        self._radius = max(1, round(geometry.exemplar_size / (4 * geometry.stride)))
        self._peak_arguments = self.settings.scale_penalty, self.settings.window_influence, self._radius, self._tables
        self._state: TargetState | None = None
        self._warm_up()

    @_limit_threads
    def _warm_up(self) -> None:
        """Compile everything, or load it from numba's cache, so that no frame waits for it."""
        if needs_compiling():
            _logger.warning("compiling for this processor, once: it takes some seconds ('siamtrack warmup' does it)")
        size = self.geometry.response_size
        blank = np.zeros((self.settings.scales, size, size), np.float32)
        if self.settings.online_filter:
            find_answered_peak(blank, blank[0], *self._peak_arguments)
            compile_solver()
        else:
            find_peak(blank, *self._peak_arguments)
        self._extractor.warm_up([each for each in (self.geometry, self._near) if each])

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

    @_limit_threads
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
        exemplars = self._extractor.embed_exemplars(self._extractor.cut_exemplars(frame, target, border))
        kernels = self.backend.cut_margin(exemplars.features)
        center = _into_frame(target.center, frame)
        state = TargetState(kernels, border, (target.width, target.height), center, 1.0, Status.TRACKED)
        state = initialize_target(self._extractor, frame, state, exemplars, self.settings.online_filter)
        self.start_seconds += time.perf_counter() - began
        return state

    @_limit_threads
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
        found = self._search_locally(frame, states)
        others = iter(self._search(frame, [state for index, state in enumerate(states) if index not in found]))
        results = [found[index] if index in found else next(others) for index in range(len(states))]
        if self.settings.template_update:
            with self._clock.measure("renew"):
                results = self._renew(frame, results, self.settings.template_update)
        return results

    @_limit_threads
    def observe(self, frame: NDArray[np.uint8], state: TargetState) -> Observation:
        """Do a step for one target and keep everything that led to its result; slower than `step`.

        It looks at the usual search crop, also where `step` would take the near one (`settings.local_search`).

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            state: as of `step`.

        Raises:
            UsageError: when the frame is not such an array.
        """
        _check_frame(frame)
        extractor = self._extractor
        chances = self._candidates(frame, state)
        crops = extractor.cut_searches(frame, chances)
        seen = crops.copy()  # the network's input is made in place
        search_responses = extractor.look(chances, crops)
        advanced = [
            self._advance(
                frame, state, search_response, ResponseContext(search_response.responses, search_response.learnt)
            )
            for state, search_response in zip(chances, search_responses, strict=True)
        ]
        taken = self._take(advanced, range(len(chances)))
        state, search_response, result = chances[taken], search_responses[taken], advanced[taken]
        seen = seen.reshape(len(chances), -1, *seen.shape[1:])[taken]
        responses, boxes = search_response.responses, search_response.boxes
        peak, settings = result.peak, self.settings
        maps = upsample_maps(responses, self._tables)
        window = np.outer(self._tables.window, self._tables.window)
        middle = len(maps) // 2
        factors = [1.0 if scale == middle else settings.scale_penalty for scale in range(len(maps))]
        tops = [float(each.max()) for each in maps]
        # A map without evidence, whose APCE is 0, leaves the position to the window.
        chosen = maps[peak.scale] if peak.apce > 0 else np.zeros_like(maps[peak.scale])
        if search_response.learnt is not None:
            (chosen,) = upsample_maps(np.maximum(search_response.learnt, 0)[None], self._tables)
        reading = self._read(state, boxes, peak)
        box_read = None
        if reading is not None and state.refinement is not None:
            box_read = predicted_box(state.refinement, reading, state.center, extractor.crop_scale(state, peak))
        return Observation(
            crops=seen,
            squares=tuple(extractor.search_square(state, factor) for factor in extractor.pyramid.crops(state.age)),
            responses=responses,
            maps=maps,
            penalized=tuple(top * f if top > 0 else top / f for top, f in zip(tops, factors, strict=True)),
            window=window,
            mixture=mix_with_window(chosen, settings.window_influence, window),
            learnt=search_response.learnt,
            factors=extractor.pyramid.tried(state.age),
            boxes=boxes,
            box_read=box_read,
            quality=None if reading is None else reading.quality,
            result=result,
        )

    def cut_exemplars(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
        """The exemplar crops that `start` embeds, `(E, z, z, 3)` BGR: one, or one a scale; arguments as of `start`."""
        _check_frame(frame)
        return self._extractor.cut_exemplars(
            frame, validate_box(box, frame.shape[1], frame.shape[0]), mean_color(frame)
        )

    def _search_locally(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> dict[int, TrackResult]:
        """The results, by index, of those targets for which the near search crop was enough."""
        near, geometry = self.settings.local_search, self._near
        if near is None or geometry is None:
            return {}
        every = self.settings.online_filter.interval if self.settings.online_filter else None
        around = {
            index: state.around
            for index, state in enumerate(states)
            if state.around and not needs_full_search(state.age + 1, near, every)
        }
        if not around:
            return {}
        looked = [states[index] for index in around]
        with self._clock.measure("crop"):
            crops = self._extractor.cut_middles(frame, looked, geometry)
        search_responses = self._extractor.look(looked, crops)
        with self._clock.measure("postprocess"):
            found = {}
            for (index, known), state, search_response in zip(around.items(), looked, search_responses, strict=True):
                whole = known.with_middle(search_response.responses, search_response.learnt)
                seen = search_response._replace(responses=whole.responses, learnt=whole.learnt)
                result = self._advance(frame, state, seen, known)
                if result.state.around is not None:
                    found[index] = result
        return found

    def _search(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> list[TrackResult]:
        """The results of targets that are looked for in the usual search crops, and elsewhere when they are lost."""
        if not states:
            return []
        with self._clock.measure("crop"):
            chances = [self._candidates(frame, state) for state in states]
            tried = [chance for each in chances for chance in each]
            crops = self._extractor.cut_searches(frame, tried)
        search_responses = self._extractor.look(tried, crops)
        with self._clock.measure("postprocess"):
            advanced = [
                self._advance(
                    frame, state, search_response, ResponseContext(search_response.responses, search_response.learnt)
                )
                for state, search_response in zip(tried, search_responses, strict=True)
            ]
            taken = [self._take(advanced, span) for span in _spans(chances)]
            results = [advanced[index] for index in taken]
        if self.settings.online_filter:
            with self._clock.measure("learn"):
                results = [
                    self._learn(result, search_responses[index]) for result, index in zip(results, taken, strict=True)
                ]
        return results

    def _is_stationary(self, peak: Peak, status: Status, sure: float) -> bool:
        """Whether the near search crop is enough for a target that was found so."""
        near = self.settings.local_search
        if near is None or self._near is None or status is not Status.TRACKED:
            return False
        x, y = self._cell(peak, 1)
        return is_stationary((x / self._extractor.target_cells, y / self._extractor.target_cells), sure, near)

    @torch.inference_mode()
    def _learn(self, result: TrackResult, search_response: SearchResponse) -> TrackResult:
        """The same result with a filter that knows this frame, if it is one to learn from."""
        state, settings = result.state, self.settings.online_filter
        if settings is None or state.filter is None or search_response.learnt is None or state.belief.lost:
            return result
        if state.age % settings.interval or float(search_response.learnt.max()) < settings.min_response:
            return result
        sigma = settings.sigma * self._extractor.target_cells
        cell = self._cell(result.peak, search_response.learnt.shape[-1])
        known = learn(state.filter, search_response.features[0], search_response.learnt, cell, sigma, settings)
        return replace(result, state=replace(state, filter=known))

    @torch.inference_mode()
    def _renew(
        self, frame: NDArray[np.uint8], results: Sequence[TrackResult], settings: TemplateUpdateSettings
    ) -> list[TrackResult]:
        """The same results with templates that know this frame, where it is one to learn from."""
        renewed = list(results)
        due = [
            index
            for index, result in enumerate(results)
            if result.status is Status.TRACKED
            and result.score >= settings.threshold
            and result.state.age % settings.interval == 0
        ]
        if not due:
            return renewed
        states = [results[index].state for index in due]
        extractor = self._extractor
        crops = np.concatenate([extractor.cut_exemplars(frame, state.searched_box, state.border) for state in states])
        kernels = self.backend.cut_margin(extractor.embed_exemplars(crops).features)
        for index, state, seen in zip(due, states, kernels.chunk(len(due)), strict=True):
            first = state.kernels if state.template is None else state.template.first
            template = renew(state.template, first, seen, settings)
            known = replace(state, template=template, kernels=template.mixed(settings.weight))
            renewed[index] = replace(results[index], state=known)
        return renewed

    def _choose(self, search_response: SearchResponse) -> tuple[Peak, float]:
        """Scale and figures from the responses to the exemplar, the position from the filter where one is learnt.

        Beside it, the filter's greatest answer, 0 without one.
        """
        if search_response.learnt is None:
            return find_peak(search_response.responses, *self._peak_arguments), 0.0
        return find_answered_peak(search_response.responses, search_response.learnt, *self._peak_arguments)

    def _advance(
        self, frame: NDArray[np.uint8], state: TargetState, search_response: SearchResponse, around: ResponseContext
    ) -> TrackResult:
        """The step from what is seen of a target, and what was last seen around it, to its next state."""
        peak, answer = self._choose(search_response)
        settings = self.settings
        # Positions of the upsampled grid -> cells -> pixels of the search crop -> pixels of the frame.
        crop_scale = self._extractor.crop_scale(state, peak)
        pixels = self._spacing * crop_scale
        x = state.center[0] + (peak.col - self._middle) * pixels
        y = state.center[1] + (peak.row - self._middle) * pixels
        found, reference = self._found_scale(state, peak)
        # A scale that has its turn once in a while is followed at once.
        damping = 1.0 if self._extractor.pyramid.in_turn else settings.scale_lr
        change = 1 - damping + damping * found
        scale = min(max(state.scale * change, settings.min_size), settings.max_size)
        reading = self._read(state, search_response.boxes, peak)
        signals = read_signals(peak, self.backend.bias, answer, reading.quality if reading else None)
        sure = confidence(signals, state.belief.usual, settings.confidence)
        belief, status = update_state(state.belief, signals, sure, settings)
        center, age = _into_frame((x, y), frame), state.age + 1
        new = replace(
            state,
            center=center,
            scale=scale,
            status=status,
            age=age,
            reference=reference,
            belief=belief,
            around=around if self._is_stationary(peak, status, sure) else None,
            seen=None,
        )
        if status is not Status.TRACKED or sure < settings.confidence.found_threshold:
            new = replace(new, seen=state.last_seen)
        if reading is not None and state.refinement is not None:
            shape = refine(state.refinement, reading, new.searched_box, state.center, crop_scale, settings)
            followed = scale * math.exp(settings.box_scale_lr * shape.growth(new.searched_box))
            new = replace(new, refinement=shape, scale=min(max(followed, settings.min_size), settings.max_size))
        return TrackResult(new.box, sure, status, peak, new, signals)

    def _candidates(self, frame: NDArray[np.uint8], state: TargetState) -> list[TargetState]:
        """The states that the target may be in before this frame: the usual one, and more where it is lost."""
        recovery, lost = self.settings.redetection, state.belief.lost
        if recovery is None or not lost:
            return [state]
        geometry, last = self.geometry, state.last_seen
        reach = (
            self._extractor.search_side(last) * (geometry.response_size - 1) * geometry.stride / geometry.search_size
        )
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
        return chances[select_candidate([each.score for each in results], there, [each.box for each in results])]

    def _found_scale(self, state: TargetState, peak: Peak) -> tuple[float, float]:
        """The factor that the size is to follow, and the next reference of scales that are tried in turn."""
        factor = self._extractor.pyramid.tried(state.age)[peak.scale]
        if not self._extractor.pyramid.in_turn:
            return factor, state.reference
        # No penalty: what it is compared with is of an earlier frame, and greater for that.
        if factor == 1 or peak.peak > state.reference:
            return factor, peak.peak
        return 1.0, state.reference

    def _read(self, state: TargetState, boxes: NDArray[np.float32] | None, peak: Peak) -> BoxPrediction | None:
        """The box around the peak, from `(Q, 5, R, R)` box maps; None where the network reads no boxes."""
        if boxes is None or state.refinement is None:
            return None
        seen = boxes[peak.scale if len(boxes) > 1 else 0]
        return decode_box(seen, self._cell(peak, seen.shape[-1]), self.geometry.stride)

    def _cell(self, peak: Peak, size: int) -> tuple[float, float]:
        """Column and row of a position in a map of `size` cells, fractions allowed."""
        per_cell, middle = self.settings.upsample, (size - 1) / 2
        return middle + (peak.col - self._middle) / per_cell, middle + (peak.row - self._middle) / per_cell


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
