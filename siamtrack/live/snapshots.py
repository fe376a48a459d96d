"""Pictures that are saved by hand."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.io.results import write_failure


def save_snapshot(folder: Path, picture: NDArray[np.uint8], now: datetime) -> Path:
    """Save a picture as `siamtrack-YYYYMMDD-HHMMSS.png`, with a number where that name is taken.

    Args:
        folder: is made where it does not exist.
        picture: `(H, W, 3)` uint8 BGR.
        now: time for the name.

    Returns:
        The new file; nothing is ever overwritten.

    Raises:
        OutputError: when it cannot be written.
    """
    _, data = cv2.imencode(".png", picture)
    name = f"siamtrack-{now:%Y%m%d-%H%M%S}"
    for number in count(1):
        path = folder / (f"{name}.png" if number == 1 else f"{name}-{number}.png")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data.tobytes())
        except FileExistsError as error:
            if folder.is_dir():
                continue
            raise write_failure(folder, error) from error
        except OSError as error:
            raise write_failure(path, error) from error
        break
    return path
