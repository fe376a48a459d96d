"""The tracker: a network, settings, and the step from frame to frame. Targets are values that the caller owns."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from siamtrack.tracking.crops import Color, Square, crop_whole_pixels_into, exemplar_side, mean_color
from siamtrack.tracking.kernels import Peak, find_peak, make_tables, mix_with_window, upsample_maps
from siamtrack.tracking.refine import Reading, Refinement, as_read, read_box, refine
from siamtrack.tracking.search import ScalePyramid, whole_pixels
from siamtrack.tracking.status import Status

CALIBRATION = (0.9, 1.0, 1.11)
"""Sides of the search crops in which the bias of a box head is measured in the first frame; 1 is the usual side."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetState:
    """Everything about one target between two frames; a value: `Tracker.step` makes a new one."""

    kernels: Tensor
    """`(E, C, h, w)` embedded exemplars, on the tracker's device."""
    border: Color
    """Colour that stands outside the frame: the mean of the first one, blue, green, red."""
    first_size: tuple[float, float]
    """Width and height in the first frame, in pixels."""
    center: tuple[float, float]
    """Centre `(x, y)` in pixels, 0-based and continuous; inside the frame."""
    scale: float
    """Size relative to the first one."""
    status: Status
    """What was said about the target in the last frame."""
    refinement: Refinement | None = None
    """What is known about the target's shape, where the network reads boxes."""

    @property
    def box(self) -> Box:
        """The target's box in pixels, 0-based and continuous; it may hang over the border of the frame."""
        return self.refinement.box if self.refinement else self.searched_box

    @property
    def searched_box(self) -> Box:
        """The box of the scale search, with the aspect ratio of the first one."""
        return Box.from_center(*self.center, self.first_size[0] * self.scale, self.first_size[1] * self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class TrackResult:
    """Where a target is in a frame."""

    box: Box
    """`x, y, width, height` in pixels, 0-based and continuous; it may hang over the border of the frame."""
    score: float
    """Confidence in [0, 1]: the overlap with the truth that a network which reads boxes expects of this one; of others,
    the probability that they give the target at this place, the sigmoid of the logit."""
    status: Status
    """Whether the score is high enough to believe the box."""
    peak: Peak
    """Figures of the response: raw peak, peak-to-sidelobe ratio, average peak-to-correlation energy."""
    state: TargetState
    """What `Tracker.step` takes for the next frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What a step sees of one target and what it makes of it, from `Tracker.observe`."""

    crops: NDArray[np.uint8]
    """`(Q, s, s, 3)` BGR: the search crops as the network gets them, one for all scales or one a scale."""
    squares: tuple[Square, ...]
    """What each crop shows of the frame."""
    responses: NDArray[np.float32]
    """`(S, R, R)` raw responses of each scale, without the bias of the head."""
    maps: NDArray[np.float64]
    """`(S, n, n)` the same, upsampled: where the scale is chosen. The middle is that of the crop."""
    penalised: tuple[float, ...]
    """Greatest value of each of these maps after the scale penalty: the greatest of them is the chosen scale."""
    window: NDArray[np.float64]
    """`(n, n)` the cosine window, which sums to 1."""
    mixture: NDArray[np.float64]
    """`(n, n)` the chosen map, normalised and mixed with the cosine window: its greatest value is the position."""
    factors: tuple[float, ...]
    """Size of the target that each scale stands for, relative to the present one."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps as `read_box` takes them; None where the network reads no boxes."""
    box_read: Box | None
    """The box as the head read it, before it is mixed with that of the scale search."""
    quality: float | None
    """Overlap with the truth that the head expects of it, in [0, 1]."""
    result: TrackResult
    """What `Tracker.step` gives."""

    @property
    def crop_index(self) -> int:
        """Which crop the chosen map was seen in."""
        return self.result.peak.scale if len(self.crops) > 1 else 0


class Tracker:
    """Follows targets through frames, `(H, W, 3)` uint8 BGR (Bertinetto et al. 2016, sections 2.3 and 3.4).

    For one target, `init` and `update`; for any number, `start` one state each and `step` all of them in one forward
    pass. `stage_seconds` adds up the time spent in `crop`, `network` and `postprocess`.

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
        self._pyramid = ScalePyramid.from_settings(self.settings)
        self._bias = float(self.network.head.bias)
        response_size = self.network.response_size
        self._tables = make_tables(response_size, self.settings.upsample)
        # Of the upsampled map: its middle, and pixels of the search crop from one position to the next.
        self._middle = (response_size * self.settings.upsample - 1) / 2
        self._spacing = self.network.stride / self.settings.upsample
        # The exemplar shows twice the target's side: what lies within half a target of the peak is the target itself.
        self._radius = max(1, round(self.network.exemplar_size / (4 * self.network.stride)))
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
        if not isinstance(self.network, BoxNetwork):
            return state
        return replace(state, refinement=self._learn_shape(self.network, frame, state, levels))

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
        responses, boxes = self._respond(states, crops)
        responded = time.perf_counter()
        results = [self._advance(frame, *each) for each in zip(states, responses, boxes, strict=True)]
        self.stage_seconds["crop"] += cropped - began
        self.stage_seconds["network"] += responded - cropped
        self.stage_seconds["postprocess"] += time.perf_counter() - responded
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
        (responses,), (boxes,) = self._respond([state], crops)
        result = self._advance(frame, state, responses, boxes)
        peak, settings = result.peak, self.settings
        maps = upsample_maps(responses, self._tables)
        window = np.outer(self._tables.window, self._tables.window)
        middle = len(maps) // 2
        factors = [1.0 if scale == middle else settings.scale_penalty for scale in range(len(maps))]
        tops = [float(each.max()) for each in maps]
        # A map without evidence, whose APCE is 0, leaves the position to the window.
        chosen = maps[peak.scale] if peak.apce > 0 else np.zeros_like(maps[peak.scale])
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
    def _learn_shape(
        self, network: BoxNetwork, frame: NDArray[np.uint8], state: TargetState, levels: Sequence[Tensor]
    ) -> Refinement:
        """What the network makes of the first frame, in which the box is known; `levels` are of the exemplar crops."""
        middle = len(levels[0]) // 2
        kernel = network.box_kernel([level[middle : middle + 1] for level in levels])[0]
        width, height = state.first_size
        side = self._search_side(state)
        scale = side / network.search_size  # the same for the exemplar crop
        shape = Refinement(kernel, (width / scale, height / scale), (0.0, 0.0), (0.0, 0.0), state.searched_box)
        crops = self._empty_crops(len(CALIBRATION), network.search_size)
        for crop, factor in zip(crops, CALIBRATION, strict=True):
            crop_whole_pixels_into(crop, frame, whole_pixels(state.center, side * factor), state.border)
        _, seen = network.embed_levels(self._to_images(crops))
        center = (network.response_size - 1) / 2
        maps = self._read_boxes(network, [shape], seen)[0]
        sizes = np.array([read_box(each, (center, center), network.stride).log_size for each in maps])
        bias_x, bias_y = (sizes + np.log(CALIBRATION)[:, None]).mean(axis=0)
        return replace(shape, bias=(float(bias_x), float(bias_y)), log_size=(math.log(width), math.log(height)))

    @torch.inference_mode()
    def _respond(
        self, states: Sequence[TargetState], crops: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], Sequence[NDArray[np.float32] | None]]:
        """What N targets answer in Q crops each, `(N * Q, s, s, 3)`.

        Returns:
            Responses without bias `(N, S, R, R)`, and for each target the box maps of `_read_boxes`; None where the
            network reads no boxes.
        """
        network, images = self.network, self._to_images(crops)
        boxes: Sequence[NDArray[np.float32] | None] = [None] * len(states)
        if isinstance(network, BoxNetwork):
            features, levels = network.embed_levels(images)
            boxes = self._read_boxes(network, [state.refinement for state in states if state.refinement], levels)
        else:
            features = network.embed_search(images)
        kernels = torch.stack([state.kernels for state in states])
        maps = network.head.correlate(kernels.repeat_interleave(len(crops) // len(states), 0), features)
        responses: NDArray[np.float32] = maps.reshape(len(states), -1, *maps.shape[-2:]).float().cpu().numpy()
        return responses, boxes

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

    def _advance(
        self,
        frame: NDArray[np.uint8],
        state: TargetState,
        responses: NDArray[np.float32],
        boxes: NDArray[np.float32] | None,
    ) -> TrackResult:
        """The step from `(S, R, R)` responses, and `(Q, 5, R, R)` box maps if any, to the next state."""
        peak = self._find_peak(responses)
        settings = self.settings
        factor = self._pyramid.search_factor(peak.scale)
        # Positions of the upsampled grid -> cells -> pixels of the search crop -> pixels of the frame.
        pixels = self._spacing * self._search_side(state) * factor / self.network.search_size
        x = state.center[0] + (peak.col - self._middle) * pixels
        y = state.center[1] + (peak.row - self._middle) * pixels
        change = 1 - settings.scale_damping + settings.scale_damping * self._pyramid.factors[peak.scale]
        scale = min(max(state.scale * change, settings.min_size), settings.max_size)
        reading = self._read(state, boxes, peak)
        score = reading.quality if reading else 0.5 + 0.5 * math.tanh((peak.value + self._bias) / 2)
        status = self._judge(score)
        new = replace(state, center=_into_frame((x, y), frame), scale=scale, status=status)
        if reading is not None and state.refinement is not None:
            crop_scale = self._crop_scale(state, peak)
            shape = refine(state.refinement, reading, new.searched_box, state.center, crop_scale, self.settings)
            new = replace(new, refinement=shape)
        return TrackResult(new.box, score, status, peak, new)

    def _read(self, state: TargetState, boxes: NDArray[np.float32] | None, peak: Peak) -> Reading | None:
        """The box around the peak, from `(Q, 5, R, R)` box maps; None where the network reads no boxes."""
        if boxes is None or state.refinement is None:
            return None
        seen = boxes[peak.scale if len(boxes) > 1 else 0]
        per_cell, middle = self.settings.upsample, (seen.shape[-1] - 1) / 2
        cell = (middle + (peak.col - self._middle) / per_cell, middle + (peak.row - self._middle) / per_cell)
        return read_box(seen, cell, self.network.stride)

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
