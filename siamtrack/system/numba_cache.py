"""Cache of the code that numba compiles."""

from __future__ import annotations

from numba import njit


def _can_cache() -> bool:
    """Return whether numba finds a folder for compiled code: the package's, or the user's cache; else it refuses to
    cache.
    """
    try:
        njit(cache=True)(_can_cache)
    except RuntimeError:
        return False
    return True


CACHE = _can_cache()
"""Without it, as in a container that runs as a user without a home, the kernels are compiled at every start."""
