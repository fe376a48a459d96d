"""Addresses of network streams: which are read, and how they are shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from siamtrack.errors import SourceError

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp")
"""Schemes of a stream's address; others of FFmpeg's read files, or put addresses together."""
WITHOUT_HOST = ("udp", "tcp")
"""Schemes that may name no host, and listen then."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# To the last "@": a password may hold any character, and one that is hidden too much is better than one that is shown.
_PASSWORD = re.compile(r"(://[^:/?#@]*):.*@", re.DOTALL)
_SECRET = re.compile(r"([?&;][^=&;]*(?:pass|pwd|token|secret|key|auth)[^=&;]*=)[^&;#]*", re.IGNORECASE)


def scheme_of(source: str) -> str | None:
    """Return the text before `://` in lower case; None where a source is no address."""
    found = _SCHEME.match(source)
    return None if found is None else found[1].lower()


def shown_address(address: str) -> str:
    """Return an address as it may be shown: `rtsp://user:***@host/1`, `http://host/video?pwd=***`."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", address))


def check_address(address: str) -> None:
    """Refuse an address that no stream can have.

    Raises:
        SourceError: when it is malformed, names no host, or is of another kind than `SCHEMES`.
    """
    name, scheme = shown_address(address), scheme_of(address)
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise SourceError(f"'{name}' is no stream that can be read: give {known}, a camera's number or a video file")
    try:
        parts = urlsplit(address)
        _ = parts.port  # is read when it is asked for
    except ValueError:
        raise SourceError(f"'{name}' is no address: give one such as rtsp://user:password@host:554/path") from None
    if not parts.hostname and scheme not in WITHOUT_HOST:
        raise SourceError(f"'{name}' names no host: give an address such as {scheme}://192.168.0.10/path")
