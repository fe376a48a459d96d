"""Model cards as text in the header of a safetensors file; reading one opens no tensor and does not import torch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationError

from siamtrack.config import ComparisonName, Frozen, TrackingSettings
from siamtrack.errors import WeightsError
from siamtrack.models.registry import Design

_HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors format itself

Card = TypeVar("Card", bound=Frozen)
Values = TypeVar("Values", float, NDArray[np.float64])

VERIFICATION: Final = "verification"
"""The key `kind` of the card of a model that tells same from different; cards of tracking models have none."""


class Calibration(Frozen):
    """Calibration of a comparison: the probability that two patches show the same (Platt 1999).

    The probability holds where as many pairs are the same as not.
    """

    intercept: float
    """Logit of the probability at the value 0."""
    slope: float
    """Change of the logit with the value: below 0 for distances."""

    def probability(self, values: Values) -> Values:
        """Return the probability of the same, in [0, 1]; of a number or of an array of any shape."""
        logits = np.clip(self.intercept + self.slope * np.asarray(values, np.float64), -500, 500)
        found = 1 / (1 + np.exp(-logits))
        return float(found) if isinstance(values, float) else found


class BranchSettings(Frozen):
    """Settings of the network that embeds a patch."""

    kind: Literal["patch", "handwriting", "backbone"] = "patch"
    """A small network for patches, gradients of handwriting, or a tracking backbone with a linear layer."""
    architecture: str = "lite0"
    """Architecture of the backbone; a name of `siamtrack.models.registry.list_architectures`."""
    dimension: int = Field(64, ge=1)
    """Components of the embedding."""
    normalize: bool = True
    """Embeddings have unit length."""


class ModelCard(Frozen):
    """Card of a weights file."""

    # A later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """Name of the model."""
    architecture: str
    """Name for `siamtrack.models.registry.create_network`."""
    shared: bool = True
    """Exemplar and search region are embedded with the same weights."""
    comparison: ComparisonName = "dot"
    """Comparison of the embeddings."""
    tracking: TrackingSettings = TrackingSettings()
    """Tracking settings that the model is meant for."""
    description: str = ""
    """One or two sentences for a reader."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Data with licenses, steps, minutes, commit, recipe."""
    figures: dict[str, Any] = Field(default_factory=dict)
    """Figures that were measured with it."""
    license: str = ""
    """License of the weights."""
    limits: str = ""
    """Limits of the model."""

    @property
    def design(self) -> Design:
        """Design of the network."""
        return Design(self.architecture, self.shared, self.comparison)


class VerificationCard(Frozen):
    """Card of a model that tells same from different."""

    # A later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["verification"] = VERIFICATION
    name: str
    """Name of the model."""
    branch: BranchSettings
    comparison: str
    """Name for `siamtrack.models.comparisons.create_comparison`."""
    size: int = Field(ge=4)
    """Side of a patch in pixels."""
    channels: Literal[1, 3]
    """1 for gray, 3 for RGB."""
    calibration: Calibration
    threshold: float
    """Value of the comparison on whose side of the same a pair is decided to be the same."""
    classes: tuple[str, ...] = ()
    """Training data, steps, time and machine."""
    description: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    """Data with licenses, steps, minutes, commit, recipe."""
    figures: dict[str, Any] = Field(default_factory=dict)
    """VerificationMetrics that were measured with it."""
    license: str = ""
    limits: str = ""


def read_card_text(path: Path) -> str:
    """Return the JSON text of the card.

    Raises:
        WeightsError: when the file cannot be read, is no safetensors file, or has no card.
    """
    metadata = _read_header(path).get("__metadata__")
    text = metadata.get("card") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise WeightsError(f"{path} has no model card: it was not written by siamtrack")
    return text


def parse_card(path: Path, text: str, kind: type[Card]) -> Card:
    """Validate the text of a card.

    Args:
        path: where it is from, for messages.
        text: JSON.
        kind: of card.

    Raises:
        WeightsError: when it is no such card.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the text"
        raise WeightsError(f"{path} has a model card that cannot be read: {where}: {first['msg']}") from error


def is_verification_card(text: str) -> bool:
    """Return whether a card is that of a model which tells same from different."""
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(card, dict) and card.get("kind") == VERIFICATION


def read_verification_card(path: str | Path) -> VerificationCard:
    """Return the card of a file of `save_verifier`, and nothing else of it.

    Raises:
        WeightsError: when it is no such file.
    """
    path = Path(path)
    text = read_card_text(path)
    if not is_verification_card(text):
        raise WeightsError(f"{path} is no model of 'siamtrack train verify-...'")
    return parse_card(path, text, VerificationCard)


def _read_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: 8 bytes of length, little-endian, then the text."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or not 2 <= length <= min(size - 8, _HEADER_LIMIT):
                what = "empty" if size == 0 else f"no safetensors file, or cut off ({size} bytes)"
                raise WeightsError(f"{path} is {what}: give weights that siamtrack has written")
            text = file.read(length)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} has a header that is not JSON: the file is corrupt, fetch it again") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{path} has a header that is not a JSON object: the file is corrupt, fetch it again")
    return header
