"""Colors of a picture as those of a video: BT.709, limited range, one pair of chroma values for four pixels.

FFmpeg's conversion takes four times as long, half of it for the rounding that keeps white from coming back with a tint.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from siamtrack.system.numba_cache import CACHE

# With its signature, the kernel is compiled, or loaded from numba's cache, before the first frame. What is read may be
# read-only.
_PICTURE = types.Array(types.uint8, 3, "C", readonly=True)
_PLANE = types.Array(types.uint8, 2, "C")
_WEIGHTS = types.Array(types.float32, 2, "C", readonly=True)


def _bt709() -> NDArray[np.float32]:
    """`(3, 3)` luma and both chroma values of blue, green, red, all 0 to 255, without their offsets.

    ITU-R BT.709-6: weights of luma in item 3.2, chroma in 3.3, levels of 8 bits in 4.6.
    """
    blue, red = 0.0722, 0.2126
    green = 1 - blue - red
    luma = np.array([blue, green, red])
    of_blue = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - blue))
    of_red = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - red))
    return (np.stack([219 * luma, 224 * of_blue, 224 * of_red]) / 255).astype(np.float32)


BT709 = _bt709()
HALF = np.float32(0.5)
BLACK = np.float32(16)
"""Luma of black."""
GRAY = np.float32(128)
"""Chroma of everything without color."""


def into_yuv420(
    picture: NDArray[np.uint8], luma: NDArray[np.uint8], of_blue: NDArray[np.uint8], of_red: NDArray[np.uint8]
) -> None:
    """A picture as `yuv420p` holds it, rounded; the chroma of four pixels is that of their mean, as with FFmpeg.

    Args:
        picture: `(H, W, 3)` uint8 BGR, both sides even.
        luma: `(H, W')`, is overwritten; as with the others, lines of this C-contiguous array may exceed the picture's.
        of_blue: `(H / 2, W'')` chroma, is overwritten.
        of_red: `(H / 2, W'')` chroma, is overwritten.
    """
    _convert(np.ascontiguousarray(picture), luma, of_blue, of_red, BT709)


# Without NaN, which cannot occur here, the conversion to whole numbers takes vector instructions.
@njit(
    types.void(_PICTURE, _PLANE, _PLANE, _PLANE, _WEIGHTS),
    cache=CACHE,
    nogil=True,
    fastmath={"contract", "reassoc", "nnan", "ninf", "nsz"},
)
def _convert(
    picture: NDArray[np.uint8],
    luma: NDArray[np.uint8],
    of_blue: NDArray[np.uint8],
    of_red: NDArray[np.uint8],
    weights: NDArray[np.float32],
) -> None:
    f32 = np.float32
    height, width, _ = picture.shape
    quarter = f32(0.25)
    yb, yg, yr = weights[0, 0], weights[0, 1], weights[0, 2]
    ub, ug, ur = quarter * weights[1, 0], quarter * weights[1, 1], quarter * weights[1, 2]
    vb, vg, vr = quarter * weights[2, 0], quarter * weights[2, 1], quarter * weights[2, 2]
    dark, gray = BLACK + HALF, GRAY + HALF
    for i in range(0, height, 2):
        # Flat rows: their pixels are read with vector instructions, those of `(W, 3)` one by one.
        one, two = picture[i].reshape(-1), picture[i + 1].reshape(-1)
        first, second = luma[i], luma[i + 1]
        for j in range(width):
            p = 3 * j
            first[j] = np.uint8(np.int32(yb * f32(one[p]) + yg * f32(one[p + 1]) + yr * f32(one[p + 2]) + dark))
            second[j] = np.uint8(np.int32(yb * f32(two[p]) + yg * f32(two[p + 1]) + yr * f32(two[p + 2]) + dark))
        us, vs = of_blue[i // 2], of_red[i // 2]
        for j in range(width // 2):
            p = 6 * j
            b = f32(one[p]) + f32(one[p + 3]) + f32(two[p]) + f32(two[p + 3])
            g = f32(one[p + 1]) + f32(one[p + 4]) + f32(two[p + 1]) + f32(two[p + 4])
            r = f32(one[p + 2]) + f32(one[p + 5]) + f32(two[p + 2]) + f32(two[p + 5])
            us[j] = np.uint8(np.int32(ub * b + ug * g + ur * r + gray))
            vs[j] = np.uint8(np.int32(vb * b + vg * g + vr * r + gray))
