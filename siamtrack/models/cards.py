"""Model cards as text in the header of a safetensors file; reading one opens no tensor and does not import torch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from siamtrack.config import Frozen
from siamtrack.errors import WeightsError

_HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors format itself

Card = TypeVar("Card", bound=Frozen)

VERIFICATION: Final = "verification"
"""The key `kind` of the card of a model that tells same from different; cards of tracking models have none."""


def read_card_text(path: Path) -> str:
    """The JSON text of the card.

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
    """Whether a card is that of a model which tells same from different."""
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(card, dict) and card.get("kind") == VERIFICATION


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, little-endian, then the text."""
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
