"""Photometric and geometric changes of crops, each a pure function of the picture and a generator.

Pictures are `(H, W, 3)` uint8 BGR.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from pydantic import Field

from siamtrack.boxes import Image
from siamtrack.config import Frozen


class PhotometricSettings(Frozen):
    """Strengths and probabilities of the photometric changes."""

    brightness: float = Field(0.2, ge=0, le=1)
    """Largest relative change of brightness."""
    contrast: float = Field(0.2, ge=0, le=1)
    """Largest relative change of contrast."""
    saturation: float = Field(0.3, ge=0, le=1)
    """Largest relative change of saturation."""
    gamma: float = Field(0.2, ge=0, le=1)
    """Largest change of the logarithm of gamma."""
    blur: float = Field(0.15, ge=0, le=1)
    """Probability of defocus blur."""
    motion_blur: float = Field(0.15, ge=0, le=1)
    """Probability of motion blur."""
    low_resolution: float = Field(0.1, ge=0, le=1)
    """Probability of losing detail, as a small or distant target has."""
    noise: float = Field(0.1, ge=0, le=1)
    """Probability of sensor noise."""
    jpeg: float = Field(0.1, ge=0, le=1)
    """Probability of compression artifacts."""


def photometric(image: Image, settings: PhotometricSettings, rng: np.random.Generator) -> Image:
    """Change light, color and sharpness as another moment or camera would."""
    image = _tone(image, settings, rng)
    draws = rng.random(5)
    if draws[0] < settings.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.0))), np.uint8)
    if draws[1] < settings.motion_blur:
        image = motion_blur(image, float(rng.uniform(3, 15)), float(rng.uniform(0, math.pi)))
    if draws[2] < settings.low_resolution:
        image = low_resolution(image, float(rng.uniform(1.5, 4.0)))
    if draws[3] < settings.noise:
        noise = rng.normal(0, rng.uniform(2, 10), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if draws[4] < settings.jpeg:
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 70))])
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return image


def _tone(image: Image, settings: PhotometricSettings, rng: np.random.Generator) -> Image:
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    shift = 255 * rng.uniform(-settings.brightness, settings.brightness)
    gamma = math.exp(rng.uniform(-settings.gamma, settings.gamma))
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((levels - 127.5) * gain + 127.5 + shift, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    saturation = 1 + rng.uniform(-settings.saturation, settings.saturation)
    return np.asarray(cv2.addWeighted(image, saturation, to_gray(image), 1 - saturation, 0), np.uint8)


def to_gray(image: Image) -> Image:
    """Return the picture without color, still `(H, W, 3)`."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def motion_blur(image: Image, length: float, angle: float) -> Image:
    """Blur along a line of `length` pixels at `angle` radians."""
    size = max(math.ceil(length) | 1, 3)
    kernel = np.zeros((size, size), np.float32)
    reach = (length - 1) / 2
    center = size // 2
    for position in np.linspace(-reach, reach, 2 * size):
        row = round(center + position * math.sin(angle))
        column = round(center + position * math.cos(angle))
        kernel[min(max(row, 0), size - 1), min(max(column, 0), size - 1)] += 1
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def low_resolution(image: Image, factor: float) -> Image:
    """Return the picture reduced by `factor` and enlarged again."""
    height, width = image.shape[:2]
    small = cv2.resize(
        image, (max(round(width / factor), 2), max(round(height / factor), 2)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
