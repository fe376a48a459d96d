"""Verifiers: an embedding, a comparison and its calibration decide whether two patches show the same thing.

A verifier is a trained branch, or a tracking model whose exemplars are compared by their cosine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.cards import (
    BranchSettings,
    Calibration,
    VerificationCard,
    is_verification_card,
    read_card_text,
    read_verification_card,
)
from siamtrack.models.comparisons import Comparison, create_comparison
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import build_network, find_model
from siamtrack.models.weights import CHECKPOINT_SUFFIXES, load_network, load_tensors, read_tensors, write_tensors
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.verification.handwriting import HandwritingBranch
from siamtrack.verification.networks import BackboneBranch, PatchBranch

Branch = PatchBranch | HandwritingBranch | BackboneBranch
"""Networks that can be trained to tell same from different."""
DEFAULT_VERIFIER = "siamtrack-lite"
"""Default model of a comparison."""

_BATCH_SIZE = 256
"""Number of patches in one forward pass."""
_STEPS_PER_WINDOW = 8
"""Number of steps in which the sliding window moves by its own side length."""


SHIPPED_CALIBRATIONS: dict[str, tuple[Calibration, float]] = {
    "siamtrack-box": (Calibration(intercept=-9.410, slope=30.585), 0.3119),
    "siamfc-alexnet": (Calibration(intercept=-5.576, slope=20.529), 0.2499),
    "siamtrack-lite": (Calibration(intercept=-11.148, slope=45.032), 0.2314),
}
"""Calibration and threshold of the cosine of the shipped tracking models' exemplars, by `tools/fit_verification.py`."""


class Scan(NamedTuple):
    """Comparison of a patch with every window of a picture."""

    values: NDArray[np.float64]
    """Values of the comparison, `(rows, columns)`."""
    first: tuple[float, float]
    """Center x, y of the first window, in pixels of the picture."""
    stride: int
    """Pixels from one window to the next."""


class Verifier(ABC):
    """Compares patches `(N, C, S, S)`, uint8 or float, 0..255, gray or RGB.

    Args:
        name: name of the model.
        size: S, side of a patch in pixels.
        channels: C, 1 (gray) or 3 (RGB).
        comparison: comparison of two embeddings.
        calibration: maps a value of the comparison to a probability.
        threshold: value on whose similar side a pair is decided to be the same.
    """

    def __init__(
        self, name: str, size: int, channels: int, comparison: Comparison, calibration: Calibration, threshold: float
    ) -> None:
        self.name = name
        self.size = size
        self.channels = channels
        self.comparison = comparison
        self.calibration = calibration
        self.threshold = threshold

    @torch.no_grad()
    def embed(self, patches: NDArray[np.uint8], report: Report = no_report) -> Tensor:
        """Embed `(N, C, S, S)` as `(N, D)`, and report the number of embedded pictures now and then.

        Raises:
            UsageError: for another shape: the message says what the model takes.
        """
        expected = (self.channels, self.size, self.size)
        if patches.ndim != 4 or patches.shape[1:] != expected:
            raise UsageError(
                f"patches of shape {patches.shape} do not fit {self.name}: give (N, {', '.join(map(str, expected))}), "
                f"{'gray' if self.channels == 1 else 'RGB'}"
            )
        parts: list[Tensor] = []
        for part in _chunks(patches):
            parts.append(self._embed(torch.from_numpy(part).float()))
            report(Progress(sum(map(len, parts)), len(patches), "pictures"))
        return torch.cat(parts) if parts else torch.empty(0, 1)

    @torch.no_grad()
    def compare(self, one: Tensor, other: Tensor) -> NDArray[np.float64]:
        """Return the values `(N, M)` of all pairs of embeddings `(N, D)` and `(M, D)`."""
        parts = torch.split(one, _BATCH_SIZE)
        values = [self.comparison.matrix(part, other) for part in parts]
        return np.asarray(torch.cat(values).double().numpy())

    def is_same(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the decision for values of any shape."""
        return values >= self.threshold if self.comparison.similar_is == "high" else values <= self.threshold

    def to_similarities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return similarities: the values, negated where the comparison is a distance."""
        return values if self.comparison.similar_is == "high" else -values

    @abstractmethod
    def _embed(self, patches: Tensor) -> Tensor:
        """Embed float patches of the right shape."""

    @abstractmethod
    def scan(self, patch: NDArray[np.uint8], image: NDArray[np.uint8]) -> Scan:
        """Compare a patch `(C, S, S)` with the windows of a picture `(C, H, W)`, whose sides are S at least."""


class BranchVerifier(Verifier):
    """Verifier with a trained branch.

    Args:
        branch: takes float `(N, C, S, S)`.
        card: card of the model.
    """

    def __init__(self, branch: nn.Module, card: VerificationCard) -> None:
        super().__init__(
            card.name,
            card.size,
            card.channels,
            create_comparison(card.comparison),
            card.calibration,
            card.threshold,
        )
        self.branch = branch.eval()
        self.card = card

    def _embed(self, patches: Tensor) -> Tensor:
        embedding: Tensor = self.branch(patches)
        return embedding

    def scan(self, patch: NDArray[np.uint8], image: NDArray[np.uint8]) -> Scan:
        """Compare the patch with every window; each window is embedded separately."""
        stride = max(self.size // _STEPS_PER_WINDOW, 1)
        windows = np.lib.stride_tricks.sliding_window_view(image, (self.size, self.size), axis=(1, 2))
        windows = windows[:, ::stride, ::stride].transpose(1, 2, 0, 3, 4)
        own = self.embed(patch[None])
        rows = [self.compare(own, self.embed(row))[0] for row in windows]
        return Scan(np.stack(rows), (self.size / 2, self.size / 2), stride)


class ExemplarVerifier(Verifier):
    """Tracking network as a verifier: it compares exemplars by their cosine, densely over a picture.

    Args:
        network: network of a tracking model.
        name: name of the model.
        calibration: maps a cosine to a probability.
        threshold: lowest cosine of a pair that is decided to be the same.
    """

    def __init__(self, network: TrackingNetwork, name: str, calibration: Calibration, threshold: float) -> None:
        super().__init__(name, network.exemplar_size, 3, create_comparison("cosine"), calibration, threshold)
        self.network = network.eval()

    def _embed(self, patches: Tensor) -> Tensor:
        return self.network.embed_exemplar(patches).flatten(1)

    @torch.no_grad()
    def scan(self, patch: NDArray[np.uint8], image: NDArray[np.uint8]) -> Scan:
        """Compare the patch with every window; the picture is embedded once."""
        stride = self.network.stride
        height, width = image.shape[1:]
        picture = torch.from_numpy(image)[None].float()
        # Grids line up with those of exemplars where the sides are whole strides.
        picture = F.pad(picture, (0, -width % stride, 0, -height % stride), mode="replicate")
        kernel = self.network.embed_exemplar(torch.from_numpy(patch)[None].float())
        values = self.comparison.dense(kernel[None], self.network.embed_search(picture))[0, 0]
        rows, columns = values.shape
        # Windows lie evenly around the middle, with padding in the network or without.
        first = (picture.shape[3] - (columns - 1) * stride) / 2, (picture.shape[2] - (rows - 1) * stride) / 2
        return Scan(np.asarray(values.double().numpy()), first, stride)


def build_branch(settings: BranchSettings, size: int, channels: int) -> Branch:
    """Return a branch with uninitialized weights.

    Raises:
        UsageError: for an unknown architecture, or a trunk for gray patches.
    """
    if settings.kind == "patch":
        return PatchBranch(channels, size, settings.dimension, settings.normalize)
    if settings.kind == "handwriting":
        return HandwritingBranch(channels, size, settings.dimension, settings.normalize)
    if channels != 3:
        raise UsageError(f"a trunk sees RGB: {channels} channels do not fit, set 3 or take kind = 'patch'")
    return BackboneBranch(build_network(settings.architecture).backbone, settings.dimension, settings.normalize)


def save_verifier(path: str | Path, branch: nn.Module, card: VerificationCard) -> None:
    """Write the weights of a branch with its card; an existing file is replaced in one step or not at all.

    Raises:
        WeightsError: when the file cannot be written.
    """
    write_tensors(Path(path), branch.state_dict(), card.model_dump_json())


def load_verifier(model: str | Path = DEFAULT_VERIFIER) -> Verifier:
    """Return a verifier from a file of `siamtrack train verify-...`, or a shipped tracking model.

    Args:
        model: the file, or a name of `siamtrack.list_models()`.

    Raises:
        UsageError: for an unknown model, an exported one, or a tracking model that is not calibrated.
        WeightsError: for a file that cannot be read.
    """
    path = find_model(model)
    if path.is_dir():
        raise UsageError(f"{path} is an exported model, which only tracks: give weights, a .safetensors file")
    if path.suffix.lower() not in CHECKPOINT_SUFFIXES and is_verification_card(read_card_text(path)):
        card = read_verification_card(path)
        with torch.device("meta"):
            branch = build_branch(card.branch, card.size, card.channels)
        load_tensors(path, branch, read_tensors(path), f"its branch '{card.branch.kind}'")
        return BranchVerifier(branch, card)
    network, tracking = load_network(path)
    if tracking.name not in SHIPPED_CALIBRATIONS:
        raise UsageError(
            f"{path} is a tracking model whose cosines are not calibrated: take "
            f"{', '.join(SHIPPED_CALIBRATIONS)}, or a model of 'siamtrack train verify-...'"
        )
    return ExemplarVerifier(network, tracking.name, *SHIPPED_CALIBRATIONS[tracking.name])


def _chunks(patches: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [np.ascontiguousarray(patches[start : start + _BATCH_SIZE]) for start in range(0, len(patches), _BATCH_SIZE)]
