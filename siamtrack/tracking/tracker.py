"""The tracker: from the state of a target and the next frame to its box, score and next state."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from itertools import chain, islice
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch

from siamtrack.boxes import Image, ImageLike, validate_box
from siamtrack.config import TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import TrackingNetwork
from siamtrack.runtime.base import Backend, Geometry
from siamtrack.runtime.devices import find_device, torch_threads
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.box_refinement import refine
from siamtrack.tracking.confidence import Status, confidence, read_signals, update_state
from siamtrack.tracking.crops import ColorOrder, as_bgr, clip_to_frame, mean_color
from siamtrack.tracking.feature_extractor import FeatureExtractor, SearchResponse
from siamtrack.tracking.initialization import initialize_target
from siamtrack.tracking.local_search import ResponseContext, is_stationary, local_geometry, needs_full_search
from siamtrack.tracking.observation import Observation, make_observation
from siamtrack.tracking.online_filter.filter import update_filter
from siamtrack.tracking.online_filter.solver import compile_solver
from siamtrack.tracking.redetection import search_centers, select_candidate
from siamtrack.tracking.response import Peak, find_filter_peak, find_peak, make_tables, needs_compiling
from siamtrack.tracking.scales import SearchGeometry
from siamtrack.tracking.state import TargetState, TrackResult
from siamtrack.tracking.template import TemplateFeatures, update_template

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


class _Found(NamedTuple):
    """A target in a frame."""

    state: TargetState
    """State before the frame, from which the target was searched."""
    response: SearchResponse
    result: TrackResult


class Tracker:
    """Tracker of targets in frames `(H, W, 3)` uint8 BGR (Bertinetto et al. 2016, sections 2.3 and 3.4).

    For one target, use `init` and `update`. For any number of targets, use `MultiTracker`, or `start` one state each
    and `step` all of them together: `step` keeps no state, and searches all targets in one batched forward pass.

    `stage_seconds` adds up the time that steps spend in `crop`, `transfer` (to the device of the network), `network`,
    `correlation`, `postprocess` and, where the settings ask for them, `filter` and `template`; `start_seconds` adds up
    the time of `start`. `crops_seen` counts the search crops of steps, by their side in pixels.

    >>> source = siamtrack.open_source("clip.mp4")
    >>> tracker = siamtrack.load()
    >>> tracker.init(next(source).image, (120, 80, 64, 48))
    >>> result = tracker.update(next(source).image)
    >>> result.box
    Box(x=12..., y=8..., width=6..., height=4...)
    >>> result.status
    <Status.TRACKED: 'tracked'>

    Args:
        network: the tracker prepares a copy of it for inference in float32; or a backend that runs a network.
        settings: how to search.
        card: facts about the weights.
        device: device of a network: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
        color: color order of frames that are arrays, `bgr` or `rgb`. An image of Pillow is RGB in any case.

    Raises:
        UsageError: for a device that does not exist here, a search size that does not fit the network, an unknown color
            order, or an online filter for a network that does not correlate.
    """

    def __init__(
        self,
        network: TrackingNetwork | Backend,
        settings: TrackingSettings | None = None,
        card: ModelCard | None = None,
        device: str = "cpu",
        color: ColorOrder = "bgr",
    ) -> None:
        self.settings = settings = settings or TrackingSettings()
        self.card = card
        self.color = color
        self.backend = network if isinstance(network, Backend) else TorchBackend(network, find_device(device))
        if color not in ("bgr", "rgb"):
            raise UsageError(f"unknown color order '{color}' (known: bgr, rgb)")
        if settings.online_filter and self.backend.comparison != "dot":
            raise UsageError(
                f"online_filter learns a filter for the correlation, and this network compares by "
                f"{self.backend.comparison}: track without it"
            )
        self.start_seconds = 0.0
        optional = {"filter": settings.online_filter, "template": settings.template_update}
        stages = ["crop", "transfer", "network", "correlation", "postprocess"]
        self._clock = StageClock(*stages, *(stage for stage, wanted in optional.items() if wanted))
        self.stage_seconds = self._clock.seconds
        self._geometry = SearchGeometry(self.backend.geometry, settings)
        self._extractor = FeatureExtractor(self.backend, self._geometry, self._clock)
        self.crops_seen = self._extractor.crops_seen
        self._local_geometry = local_geometry(settings, self.geometry, self._geometry.target_cells)
        self._tables = make_tables(self.geometry.response_size, settings.upsample)
        # The exemplar shows twice the target's side: cells within half a target of the peak show the target itself.
        radius = max(1, round(self.geometry.exemplar_size / (4 * self.geometry.stride)))
        self._peak_arguments = settings.scale_penalty, settings.window_influence, radius, self._tables
        self._state: TargetState | None = None
        self._warm_up()

    @property
    def geometry(self) -> Geometry:
        """Sizes of the network and of its search crops."""
        return self._geometry.sizes

    def init(self, frame: ImageLike, box: tuple[float, float, float, float]) -> None:
        """Set the one target that `update` follows; see `start` for arguments and errors."""
        self._state = self.start(frame, box)

    def update(self, frame: ImageLike) -> TrackResult:
        """Find the target of `init` in the next frame.

        Args:
            frame: `(H, W, 3)` uint8 in the tracker's color order, or an image of Pillow.

        Raises:
            UsageError: before `init`, or when the frame is not such an image.
        """
        if self._state is None:
            raise UsageError("update() before init(): tell the tracker what to follow with init(frame, box)")
        (result,) = self.step(frame, [self._state])
        self._state = result.state
        return result

    @_limit_threads
    def start(self, frame: ImageLike, box: tuple[float, float, float, float]) -> TargetState:
        """Embed a target and return its state, for `step` with the next frame.

        Args:
            frame: `(H, W, 3)` uint8 in the tracker's color order, or an image of Pillow.
            box: `x, y, width, height` in pixels, 0-based and continuous; it may cross the border.

        Raises:
            UsageError: when the frame is not such an image.
            BoxError: when the box cannot be tracked (see `validate_box`).
        """
        image = as_bgr(frame, self.color)
        target = validate_box(box, image.shape[1], image.shape[0])
        began = time.perf_counter()
        state = initialize_target(self._extractor, image, target, self.settings.online_filter)
        self.start_seconds += time.perf_counter() - began
        return state

    @_limit_threads
    def step(self, frame: ImageLike, states: Sequence[TargetState]) -> list[TrackResult]:
        """Find targets in the next frame, all together.

        Args:
            frame: `(H, W, 3)` uint8 in the tracker's color order, or an image of Pillow; its size may differ from that
                of the last frame.
            states: from `start` or from the results of the last frame, in any order and number.

        Returns:
            One result a state, in the same order; each carries the next state.

        Raises:
            UsageError: when the frame is not such an image.
        """
        image = as_bgr(frame, self.color)
        results = self._search_locally(image, states)
        others = [index for index in range(len(states)) if index not in results]
        found = self._search(image, [states[index] for index in others])
        results |= zip(others, self._update_filters(found), strict=True)
        return self._update_templates(image, [results[index] for index in range(len(states))])

    @_limit_threads
    def observe(self, frame: ImageLike, state: TargetState) -> Observation:
        """Search one target as `step` does, and return everything that led to the result; slower than `step`.

        The full search crop is used, also where `step` would use the local one (`settings.local_search`). Filter and
        template are not updated.

        Args:
            frame: `(H, W, 3)` uint8 in the tracker's color order, or an image of Pillow.
            state: see `step`.

        Raises:
            UsageError: when the frame is not such an image.
        """
        image = as_bgr(frame, self.color)
        ((searched, response, result),) = self._search(image, [state])
        crops = self._extractor.cut_search_crops(image, [searched])
        return make_observation(crops, searched, response, result, self._geometry, self._tables, self.settings)

    def cut_exemplars(self, frame: ImageLike, box: tuple[float, float, float, float]) -> Image:
        """Return the exemplar crops that `start` embeds, `(E, z, z, 3)` BGR: one, or one a scale; see `start`."""
        image = as_bgr(frame, self.color)
        target = validate_box(box, image.shape[1], image.shape[0])
        return self._extractor.cut_exemplars(image, target, mean_color(image))

    def _search(self, frame: Image, states: Sequence[TargetState]) -> list[_Found]:
        """Find targets in full search crops: one place for each of them, and more places for those that are lost."""
        if not states:
            return []
        with self._clock.measure("crop"):
            candidates = [self._candidates(frame, state) for state in states]
            searched = list(chain.from_iterable(candidates))
            crops = self._extractor.cut_search_crops(frame, searched)
        responses = self._extractor.respond(searched, crops)
        with self._clock.measure("postprocess"):
            contexts = [ResponseContext(each.responses, each.filter_response) for each in responses]
            found = (
                _Found(state, response, self._advance(frame, state, response, context))
                for state, response, context in zip(searched, responses, contexts, strict=True)
            )
            return [_select(list(islice(found, len(each)))) for each in candidates]

    def _search_locally(self, frame: Image, states: Sequence[TargetState]) -> dict[int, TrackResult]:
        """Find, by index, the targets for which the local search crop is enough."""
        settings, geometry = self.settings.local_search, self._local_geometry
        if settings is None or geometry is None:
            return {}
        interval = self.settings.online_filter.interval if self.settings.online_filter else None
        contexts = {
            index: state.context
            for index, state in enumerate(states)
            if state.context and not needs_full_search(state.age + 1, settings, interval)
        }
        if not contexts:
            return {}
        searched = [states[index] for index in contexts]
        with self._clock.measure("crop"):
            crops = self._extractor.cut_local_crops(frame, searched, geometry.search_size)
        responses = self._extractor.respond(searched, crops)
        found = {}
        with self._clock.measure("postprocess"):
            for (index, context), state, response in zip(contexts.items(), searched, responses, strict=True):
                whole = context.with_center(response.responses, response.filter_response)
                filled = response._replace(responses=whole.responses, filter_response=whole.filter_response)
                result = self._advance(frame, state, filled, context)
                if result.state.context is not None:
                    found[index] = result
        return found

    def _advance(
        self, frame: Image, state: TargetState, response: SearchResponse, context: ResponseContext
    ) -> TrackResult:
        """Return the result of one target: position, scale, confidence and box, and the state for the next frame.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            state: state before this frame.
            response: response of the network to the target's search crops.
            context: responses around the target, in case that the local search crop is enough for the next frame.
        """
        settings = self.settings
        peak, filter_peak = self._find_peak(response)
        prediction = response.box_at(peak, self._geometry)
        signals = read_signals(peak, self.backend.bias, filter_peak, prediction.quality if prediction else None)
        score = confidence(signals, state.track_state.baseline, settings.confidence)
        track_state, status = update_state(state.track_state, signals, score, settings)
        scale, scale_reference = self._new_scale(state, peak)
        is_confident = status is Status.TRACKED and score >= settings.confidence.found_threshold
        new = replace(
            state,
            center=clip_to_frame(self._geometry.position(state, peak), frame),
            scale=scale,
            status=status,
            age=state.age + 1,
            scale_reference=scale_reference,
            track_state=track_state,
            context=context if self._is_stationary(peak, status, score) else None,
            confident=None if is_confident else state.last_confident,
        )
        if prediction is not None and state.refinement is not None:
            crop_scale = self._geometry.crop_scale(state, peak)
            shape = refine(state.refinement, prediction, new.searched_box, state.center, crop_scale, settings)
            followed = scale * math.exp(settings.box_scale_lr * shape.growth(new.searched_box))
            new = replace(new, refinement=shape, scale=min(max(followed, settings.min_size), settings.max_size))
        return TrackResult(new.box, score, status, peak, new, signals)

    def _find_peak(self, response: SearchResponse) -> tuple[Peak, float]:
        """Return the peak, and the maximum of the filter response, 0 without an online filter.

        The scale follows from the responses to the exemplars, the position from the online filter where there is one.
        """
        if response.filter_response is None:
            return find_peak(response.responses, *self._peak_arguments), 0.0
        return find_filter_peak(response.responses, response.filter_response, *self._peak_arguments)

    def _new_scale(self, state: TargetState, peak: Peak) -> tuple[float, float]:
        """Return the new size relative to the first one, and the reference response of scales that alternate."""
        settings, pyramid = self.settings, self._geometry.pyramid
        factor, reference, rate = pyramid.map_factors(state.age)[peak.scale], state.scale_reference, settings.scale_lr
        if pyramid.alternates:
            rate = 1.0  # a scale that is tried only now and then is followed at once
            # No penalty: the reference is from an earlier frame, and greater for that.
            if factor == 1 or peak.peak > reference:
                reference = peak.peak
            else:
                factor = 1.0
        change = 1 - rate + rate * factor
        return min(max(state.scale * change, settings.min_size), settings.max_size), reference

    def _is_stationary(self, peak: Peak, status: Status, score: float) -> bool:
        """Return true if the local search crop is enough for the next frame."""
        settings = self.settings.local_search
        if settings is None or self._local_geometry is None or status is not Status.TRACKED:
            return False
        return is_stationary(self._geometry.displacement(peak), score, settings)

    def _candidates(self, frame: Image, state: TargetState) -> list[TargetState]:
        """Return the states from which to search a target: its own, and states at other places where it is lost."""
        redetection, known = self.settings.redetection, state.track_state
        if redetection is None or not known.frames_lost:
            return [state]
        last = state.last_confident
        # At another place, the target is as it was last seen there, and no frame confirms yet that it is back.
        unconfirmed = replace(known, confirmations=0)
        moved = replace(last, age=state.age, status=state.status, track_state=unconfirmed, confident=last)
        here = state if known.confirmations else replace(moved, center=state.center)
        size, reach = (frame.shape[1], frame.shape[0]), self._geometry.reach(last)
        centers = search_centers(size, last.center, reach, known.frames_lost - 1, redetection.crops)
        return [here, *(replace(moved, center=center) for center in centers)]

    def _update_filters(self, found: Sequence[_Found]) -> list[TrackResult]:
        """Add the frame to the online filters of the targets that it shows, where it is due."""
        if self.settings.online_filter is None:
            return [each.result for each in found]
        with self._clock.measure("filter"):
            return [self._update_filter(each.result, each.response) for each in found]

    @torch.inference_mode()
    def _update_filter(self, result: TrackResult, response: SearchResponse) -> TrackResult:
        settings, state = self.settings.online_filter, result.state
        template, filter_response = state.template, response.filter_response
        if settings is None or template.filter is None or filter_response is None or state.track_state.frames_lost:
            return result
        if state.age % settings.interval or float(filter_response.max()) < settings.min_response:
            return result
        sigma = settings.sigma * self._geometry.target_cells
        cell = self._geometry.cell(result.peak, filter_response.shape[-1])
        updated = update_filter(template.filter, response.features[0], filter_response, cell, sigma, settings)
        if updated is template.filter:
            return result
        return replace(result, state=replace(state, template=TemplateFeatures.of(template.exemplars, updated)))

    def _update_templates(self, frame: Image, results: list[TrackResult]) -> list[TrackResult]:
        """Add the frame to the templates of the targets that it shows with confidence, where it is due."""
        settings = self.settings.template_update
        if settings is None:
            return results
        with self._clock.measure("template"), torch.inference_mode():
            due = [
                index
                for index, result in enumerate(results)
                if result.status is Status.TRACKED
                and result.score >= settings.threshold
                and result.state.age % settings.interval == 0
            ]
            if not due:
                return results
            states = [results[index].state for index in due]
            cut = self._extractor.cut_exemplars
            crops = np.concatenate([cut(frame, state.searched_box, state.border) for state in states])
            exemplars = self.backend.cut_margin(self._extractor.embed_exemplars(crops).features)
            for index, state, own in zip(due, states, exemplars.chunk(len(due)), strict=True):
                first = state.template.exemplars if state.template_mean is None else state.template_mean.first
                mean = update_template(state.template_mean, first, own, settings)
                template = TemplateFeatures.of(mean.mixed(settings.weight), state.template.filter)
                results[index] = replace(results[index], state=replace(state, template=template, template_mean=mean))
        return results

    @_limit_threads
    def _warm_up(self) -> None:
        """Compile everything, or load it from numba's cache, so that no frame waits for it."""
        if needs_compiling():
            _logger.warning("compiling for this processor, once: it takes some seconds ('siamtrack warmup' does it)")
        size = self.geometry.response_size
        blank = np.zeros((self.settings.scales, size, size), np.float32)
        if self.settings.online_filter:
            find_filter_peak(blank, blank[0], *self._peak_arguments)
            compile_solver()
        else:
            find_peak(blank, *self._peak_arguments)
        self._extractor.warm_up([each for each in (self.geometry, self._local_geometry) if each])


def _select(found: Sequence[_Found]) -> _Found:
    """Return the candidate that shows the target."""
    if len(found) == 1:
        return found[0]
    results = [each.result for each in found]
    present = [each.state.track_state.is_present for each in results]
    return found[select_candidate([each.score for each in results], present, [each.box for each in results])]
