"""The tracker: a network, settings, and the step from frame to frame."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import Box, validate_box
from siamtrack.config import TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.models.siamese import BoxNetwork, SiameseNetwork, prepare_for_inference
from siamtrack.models.weights import ModelCard, load_network
from siamtrack.tracking.adaptive import begin, learn, respond
from siamtrack.tracking.crops import Color, Square, crop_whole_pixels_into, exemplar_side, mean_color
from siamtrack.tracking.kernels import Peak, find_peak, interpolate, make_tables, mix_with_window, upsample_maps
from siamtrack.tracking.refine import Reading, Refinement, as_read, read_box, refine
from siamtrack.tracking.search import ScalePyramid, whole_pixels
from siamtrack.tracking.states import Observation, TargetState, TrackResult
from siamtrack.tracking.status import Status

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
    """`(Q, C, H, W)` the embedded search crops."""


class Tracker:
    """Follows targets through frames, `(H, W, 3)` uint8 BGR (Bertinetto et al. 2016, sections 2.3 and 3.4).

    For one target, `init` and `update`; for any number, `start` one state each and `step` all of them in one forward
    pass. `stage_seconds` adds up the time spent in `crop`, `network`, `postprocess` and, where a filter is learnt while
    tracking, `learn`.

    Args:
        network: stays as it is; the tracker uses a copy prepared for inference.
        settings: how to search.
        card: what is known about the weights.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: for a device that does not exist here.
    """

    def __init__(
        self,
        network: SiameseNetwork,
        settings: TrackingSettings | None = None,
        card: ModelCard | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or TrackingSettings()
        self.card = card
        self.device = find_device(device)
        self.network = prepare_for_inference(network, self.device)
        self.stage_seconds = {"crop": 0.0, "network": 0.0, "postprocess": 0.0}
        if self.settings.adaptation:
            self.stage_seconds["learn"] = 0.0
        self._pyramid = ScalePyramid.from_settings(self.settings)
        self._bias = float(self.network.head.bias)
        response_size = self.network.response_size
        self._tables = make_tables(response_size, self.settings.upsample)
        # Of the upsampled map: its middle, and pixels of the search crop from one position to the next.
        self._middle = (response_size * self.settings.upsample - 1) / 2
        self._spacing = self.network.stride / self.settings.upsample
        # The exemplar shows twice the target's side: what lies within half a target of the peak is the target itself.
        self._radius = max(1, round(self.network.exemplar_size / (4 * self.network.stride)))
        self._target_cells = self.network.exemplar_size / (2 * self.network.stride)
        self._state: TargetState | None = None
        # Compiles the kernel (or loads it from numba's cache) here, not in the first frame.
        self._find_peak(np.zeros((self.settings.scales, response_size, response_size), np.float32))

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
        crops = self._cut_exemplars(frame, target, border)
        cropped = time.perf_counter()
        kernels, levels = self._embed_exemplars(crops)
        self.stage_seconds["crop"] += cropped - began
        self.stage_seconds["network"] += time.perf_counter() - cropped
        center = _into_frame(target.center, frame)
        state = TargetState(kernels, border, (target.width, target.height), center, 1.0, Status.TRACKED)
        return self._look_first(frame, state, levels)

    def step(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> list[TrackResult]:
        """Find targets in the next frame, all in one forward pass.

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
        began = time.perf_counter()
        crops = self._cut_searches(frame, states)
        cropped = time.perf_counter()
        sights = self._respond(states, crops)
        responded = time.perf_counter()
        results = [self._advance(frame, *each) for each in zip(states, sights, strict=True)]
        advanced = time.perf_counter()
        self.stage_seconds["crop"] += cropped - began
        self.stage_seconds["network"] += responded - cropped
        self.stage_seconds["postprocess"] += advanced - responded
        if self.settings.adaptation:
            results = [self._learn(*each) for each in zip(results, sights, strict=True)]
            self.stage_seconds["learn"] += time.perf_counter() - advanced
        return results

    def observe(self, frame: NDArray[np.uint8], state: TargetState) -> Observation:
        """Do a step for one target and keep everything that led to its result; slower than `step`.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            state: as of `step`.

        Raises:
            UsageError: when the frame is not such an array.
        """
        _check_frame(frame)
        crops = self._cut_searches(frame, [state])
        seen = crops.copy()  # the network's input is made in place
        (sight,) = self._respond([state], crops)
        responses, boxes = sight.responses, sight.boxes
        result = self._advance(frame, state, sight)
        peak, settings = result.peak, self.settings
        maps = upsample_maps(responses, self._tables)
        window = np.outer(self._tables.window, self._tables.window)
        middle = len(maps) // 2
        factors = [1.0 if scale == middle else settings.scale_penalty for scale in range(len(maps))]
        tops = [float(each.max()) for each in maps]
        # A map without evidence, whose APCE is 0, leaves the position to the window.
        chosen = maps[peak.scale] if peak.apce > 0 else np.zeros_like(maps[peak.scale])
        if sight.learnt is not None:
            (chosen,) = upsample_maps(_evidence(sight.learnt), self._tables)
        reading = self._read(state, boxes, peak)
        box_read = None
        if reading is not None and state.refinement is not None:
            box_read = as_read(state.refinement, reading, state.center, self._crop_scale(state, peak))
        return Observation(
            crops=seen,
            squares=tuple(self._search_square(state, factor) for factor in self._pyramid.search_factors),
            responses=responses,
            maps=maps,
            penalised=tuple(top * f if top > 0 else top / f for top, f in zip(tops, factors, strict=True)),
            window=window,
            mixture=mix_with_window(chosen, settings.window_influence, window),
            learnt=sight.learnt,
            factors=self._pyramid.factors,
            boxes=boxes,
            box_read=box_read,
            quality=None if reading is None else reading.quality,
            result=result,
        )

    def cut_exemplars(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
        """The exemplar crops that `start` embeds, `(E, z, z, 3)` BGR: one, or one a scale; arguments as of `start`."""
        _check_frame(frame)
        return self._cut_exemplars(frame, validate_box(box, frame.shape[1], frame.shape[0]), mean_color(frame))

    def _cut_exemplars(self, frame: NDArray[np.uint8], target: Box, border: Color) -> NDArray[np.uint8]:
        side = exemplar_side(target.width, target.height, self.settings.context)
        factors = self._pyramid.exemplar_factors
        crops = self._empty_crops(len(factors), self.network.exemplar_size)
        for crop, factor in zip(crops, factors, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(target.center, side / factor), border)
        return crops

    def _cut_searches(self, frame: NDArray[np.uint8], states: Sequence[TargetState]) -> NDArray[np.uint8]:
        """The search crops of N targets, Q each: `(N * Q, s, s, 3)` BGR."""
        factors = self._pyramid.search_factors
        crops = self._empty_crops(len(states) * len(factors), self.network.search_size)
        places = [(state, factor) for state in states for factor in factors]
        for crop, (state, factor) in zip(crops, places, strict=True):
            crop_whole_pixels_into(crop, frame, self._search_square(state, factor), state.border)
        return crops

    def _search_square(self, state: TargetState, factor: float) -> Square:
        return whole_pixels(state.center, self._search_side(state) * factor)

    def _empty_crops(self, count: int, size: int) -> NDArray[np.uint8]:
        return np.empty((count, size, size, 3), np.uint8)

    def _to_images(self, crops: NDArray[np.uint8]) -> Tensor:
        """`(B, s, s, 3)` uint8 BGR to `(B, 3, s, s)` float RGB on the device, channels last; `crops` is overwritten."""
        tall = crops.reshape(-1, crops.shape[2], 3)
        cv2.cvtColor(tall, cv2.COLOR_BGR2RGB, dst=tall)
        return torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()

    @torch.inference_mode()
    def _embed_exemplars(self, crops: NDArray[np.uint8]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Kernels `(E, C, h, w)` of exemplar crops `(E, z, z, 3)`, and their levels where the network reads boxes."""
        images = self._to_images(crops)
        if not isinstance(self.network, BoxNetwork):
            return self.network.embed_exemplar(images), ()
        embedding, levels = self.network.embed_levels(images)
        return self.network.cut_margin(embedding), levels

    @torch.inference_mode()
    def _look_first(
        self, frame: NDArray[np.uint8], state: TargetState, exemplar_levels: Sequence[Tensor]
    ) -> TargetState:
        """Learn from the first frame, in which the box is known; `exemplar_levels` are of the exemplar crops."""
        network, adaptation = self.network, self.settings.adaptation
        if not isinstance(network, BoxNetwork) and not adaptation:
            return state
        side = self._search_side(state)
        crops = self._empty_crops(len(FIRST_LOOKS), network.search_size)
        for crop, factor in zip(crops, FIRST_LOOKS, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(state.center, side * factor), state.border)
        if adaptation:
            crops = np.concatenate([crops, _disturbed(crops[FIRST_LOOKS.index(1.0)])])
        features, levels = self._embed_searches(self._to_images(crops))
        if isinstance(network, BoxNetwork):
            levels = [level[: len(FIRST_LOOKS)] for level in levels]
            state = replace(state, refinement=self._learn_shape(network, state, exemplar_levels, levels))
        if adaptation:
            kernel = state.kernels[len(state.kernels) // 2]
            sigma = adaptation.sigma * self._target_cells
            per_pixel = network.search_size / (side * network.stride)
            width, height = state.first_size
            cells = (width * per_pixel, height * per_pixel)
            state = replace(state, filter=begin(kernel, features, cells, sigma, adaptation))
        return state

    def _learn_shape(
        self, network: BoxNetwork, state: TargetState, exemplar_levels: Sequence[Tensor], levels: Sequence[Tensor]
    ) -> Refinement:
        """What the network makes of the target's shape, from the levels of the exemplars and of the first looks."""
        middle = len(exemplar_levels[0]) // 2
        kernel = network.box_kernel([level[middle : middle + 1] for level in exemplar_levels])[0]
        width, height = state.first_size
        scale = self._search_side(state) / network.search_size  # the same for the exemplar crop
        shape = Refinement(kernel, (width / scale, height / scale), (0.0, 0.0), (0.0, 0.0), state.searched_box)
        center = (network.response_size - 1) / 2
        maps = self._read_boxes(network, [shape], levels)[0]
        sizes = np.array([read_box(each, (center, center), network.stride).log_size for each in maps])
        bias_x, bias_y = (sizes + np.log(FIRST_LOOKS)[:, None]).mean(axis=0)
        return replace(shape, bias=(float(bias_x), float(bias_y)), log_size=(math.log(width), math.log(height)))

    def _embed_searches(self, images: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Embedded search crops, and their levels where the network reads boxes."""
        if isinstance(self.network, BoxNetwork):
            return self.network.embed_levels(images)
        return self.network.embed_search(images), ()

    @torch.inference_mode()
    def _respond(self, states: Sequence[TargetState], crops: NDArray[np.uint8]) -> list[_Sight]:
        """What is seen of N targets in Q crops each, `(N * Q, s, s, 3)`."""
        network, count = self.network, len(crops) // len(states)
        features, levels = self._embed_searches(self._to_images(crops))
        boxes: Sequence[NDArray[np.float32] | None] = [None] * len(states)
        if isinstance(network, BoxNetwork):
            boxes = self._read_boxes(network, [state.refinement for state in states if state.refinement], levels)
        kernels = torch.stack([state.kernels for state in states])
        maps = network.head.correlate(kernels.repeat_interleave(count, 0), features)
        responses: NDArray[np.float32] = maps.reshape(len(states), -1, *maps.shape[-2:]).float().cpu().numpy()
        own = features.reshape(len(states), count, *features.shape[1:])
        learnt = [
            None if state.filter is None else respond(state.filter, each)[0].float().cpu().numpy()
            for state, each in zip(states, own, strict=True)
        ]
        return [_Sight(*each) for each in zip(responses, boxes, learnt, own, strict=True)]

    @torch.inference_mode()
    def _learn(self, result: TrackResult, sight: _Sight) -> TrackResult:
        """The same result with a filter that knows this frame, if it is one to learn from."""
        state, settings = result.state, self.settings.adaptation
        if settings is None or state.filter is None or sight.learnt is None:
            return result
        if state.age % settings.every or float(sight.learnt.max()) < settings.above:
            return result
        sigma = settings.sigma * self._target_cells
        cell = self._cell(result.peak, sight.learnt.shape[-1])
        known = learn(state.filter, sight.features[0], cell, sigma, settings)
        return replace(result, state=replace(state, filter=known))

    def _read_boxes(
        self, network: BoxNetwork, shapes: Sequence[Refinement], levels: Sequence[Tensor]
    ) -> list[NDArray[np.float32]]:
        """Box maps `(Q, 5, R, R)` of each target, as `read_box` takes them, from the levels of its Q search crops."""
        searches = len(levels[0]) // len(shapes)
        kernels = torch.stack([shape.kernel for shape in shapes]).repeat_interleave(searches, 0)
        sizes = torch.tensor([shape.exemplar_size for shape in shapes], device=self.device)
        read = network.read_boxes(kernels, levels, sizes.repeat_interleave(searches, 0))
        maps = torch.cat([read.offsets, read.log_sizes, read.quality[:, None]], dim=1)
        return list(maps.reshape(len(shapes), searches, *maps.shape[1:]).float().cpu().numpy())

    def _find_peak(self, responses: NDArray[np.float32]) -> Peak:
        settings = self.settings
        return find_peak(responses, settings.scale_penalty, settings.window_influence, self._radius, self._tables)

    def _choose(self, sight: _Sight) -> Peak:
        """Scale and confidence from the responses to the exemplar, the position from the filter where one is learnt."""
        peak = self._find_peak(sight.responses)
        if sight.learnt is None:
            return peak
        place = self._find_peak(_evidence(sight.learnt))
        value = interpolate(sight.responses[peak.scale], int(place.row), int(place.col), self._tables)
        return peak._replace(row=place.row, col=place.col, value=value)

    def _advance(self, frame: NDArray[np.uint8], state: TargetState, sight: _Sight) -> TrackResult:
        """The step from what is seen of a target to its next state."""
        peak = self._choose(sight)
        settings = self.settings
        factor = self._pyramid.search_factor(peak.scale)
        # Positions of the upsampled grid -> cells -> pixels of the search crop -> pixels of the frame.
        pixels = self._spacing * self._search_side(state) * factor / self.network.search_size
        x = state.center[0] + (peak.col - self._middle) * pixels
        y = state.center[1] + (peak.row - self._middle) * pixels
        change = 1 - settings.scale_damping + settings.scale_damping * self._pyramid.factors[peak.scale]
        scale = min(max(state.scale * change, settings.min_size), settings.max_size)
        reading = self._read(state, sight.boxes, peak)
        score = reading.quality if reading else 0.5 + 0.5 * math.tanh((peak.value + self._bias) / 2)
        status = self._judge(score)
        new = replace(state, center=_into_frame((x, y), frame), scale=scale, status=status, age=state.age + 1)
        if reading is not None and state.refinement is not None:
            crop_scale = self._crop_scale(state, peak)
            shape = refine(state.refinement, reading, new.searched_box, state.center, crop_scale, settings)
            followed = scale * math.exp(settings.box_scale_share * shape.growth(new.searched_box))
            new = replace(new, refinement=shape, scale=min(max(followed, settings.min_size), settings.max_size))
        return TrackResult(new.box, score, status, peak, new)

    def _read(self, state: TargetState, boxes: NDArray[np.float32] | None, peak: Peak) -> Reading | None:
        """The box around the peak, from `(Q, 5, R, R)` box maps; None where the network reads no boxes."""
        if boxes is None or state.refinement is None:
            return None
        seen = boxes[peak.scale if len(boxes) > 1 else 0]
        return read_box(seen, self._cell(peak, seen.shape[-1]), self.network.stride)

    def _cell(self, peak: Peak, size: int) -> tuple[float, float]:
        """Column and row of a position in a map of `size` cells, fractions allowed."""
        per_cell, middle = self.settings.upsample, (size - 1) / 2
        return middle + (peak.col - self._middle) / per_cell, middle + (peak.row - self._middle) / per_cell

    def _crop_scale(self, state: TargetState, peak: Peak) -> float:
        """Pixels of the frame in a pixel of the search crop that the peak was seen in."""
        return self._search_side(state) * self._pyramid.search_factor(peak.scale) / self.network.search_size

    def _judge(self, score: float) -> Status:
        if score < self.settings.lost_below:
            return Status.LOST
        return Status.UNCERTAIN if score < self.settings.uncertain_below else Status.TRACKED

    def _search_side(self, state: TargetState) -> float:
        side = exemplar_side(*state.first_size, self.settings.context) * state.scale
        return side * self.network.search_size / self.network.exemplar_size


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    settings: TrackingSettings | None = None,
    threads: int | None = None,
) -> Tracker:
    """Make a tracker from a shipped model or a weights file.

    Args:
        model: a name of `list_models()`, a `.safetensors` file, or a `.pth` file of siamfc-pytorch.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
        settings: how to search; None takes what the model's card says.
        threads: CPU threads of PyTorch, for the whole process; None leaves them as they are.

    Raises:
        UsageError: for an unknown model, a device that does not exist here, or less than one thread.
        WeightsError: for a file that is not the weights of a network.
    """
    if threads is not None:
        if threads < 1:
            raise UsageError(f"{threads} threads cannot compute anything: give 1 or more")
        torch.set_num_threads(threads)
    network, card = load_network(find_model(model))
    return Tracker(network, settings or card.tracking, card, device)


def find_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means on this machine.

    Raises:
        UsageError: for another name, or a CUDA device that does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (name != "cuda" and not index.isdecimal())):
        raise UsageError(f"unknown device '{name}' (known: auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device '{name}' does not exist here ({torch.cuda.device_count()} CUDA devices): use cpu or auto"
        )
    return torch.device(name)


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


def _evidence(learnt: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(1, R, R)` what speaks for the target; answers below zero, which the filter is free to give, say nothing."""
    return np.maximum(learnt, 0)[None]


def _disturbed(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The crop mirrored, out of focus, and blurred by motion along either axis: `(4, s, s, 3)`."""
    return np.stack([crop[:, ::-1], cv2.GaussianBlur(crop, (0, 0), 2), cv2.blur(crop, (9, 1)), cv2.blur(crop, (1, 9))])
