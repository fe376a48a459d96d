"""Frames from a video file, a folder of images, a glob or one image, as 8-bit BGR, upright and in order."""

from __future__ import annotations

import glob
from pathlib import Path

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.frames import Source
from siamtrack.io.image_source import ImageSource
from siamtrack.io.images import IMAGE_EXTENSIONS, is_image_file, natural_key
from siamtrack.io.video.source import VideoSource


def open_source(source: str | Path, start: int = 0, end: int | None = None, *, threads: int | None = None) -> Source:
    """Open a video file, a folder of images, a glob of images or one image.

    >>> for frame in siamtrack.open_source("clip.mp4", end=2):
    ...     print(frame.index, f"{frame.time:.3f} s", frame.image.shape)
    0 0.000 s (240, 320, 3)
    1 0.033 s (240, 320, 3)

    Frames are `(H, W, 3)` uint8 BGR and upright, whatever a phone says about turning them; `image` is None for one that
    cannot be decoded. In a `with` block the files are closed at its end, and otherwise when the source is forgotten.

    Args:
        source: the path or the glob. Images are taken in natural order (frame2 before frame10).
        start: index of the first frame that is delivered, 0-based. Earlier ones of a video are decoded and dropped, so
            that the index is exact.
        end: index after the last frame that is delivered; None reads to the end.
        threads: threads that frames are decoded on; with 1, none is decoded before it is asked for. None: as many as
            are useful.

    Returns:
        An opened source; its first frame is known to be readable.

    Raises:
        UsageError: when `start` and `end` make no sense, or `start` lies beyond the end.
        SourceError: when there is nothing to read: missing, not permitted, no images, no video, no frame that decodes.
    """
    if start < 0:
        raise UsageError(f"start {start} is negative: the first frame is 0")
    if end is not None and end <= start:
        raise UsageError(f"end {end} is not after start {start}: end is the index after the last frame")
    name = str(source)
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            files = sorted(filter(is_image_file, path.iterdir()), key=lambda file: natural_key(file.name))
            if not files:
                raise SourceError(
                    f"folder '{name}' has no images ({_extensions()}): give one that has, or a video file"
                )
            return ImageSource(name, files, start, end, threads)
        if path.exists():
            if path.suffix.lower() in IMAGE_EXTENSIONS:
                return ImageSource(name, [path], start, end, threads)
            path.open("rb").close()  # A plain "permission denied" rather than a decoder's words for it.
            return VideoSource(name, path, start, end, threads)
        if glob.has_magic(name):
            return ImageSource(name, _glob_images(name, path), start, end, threads)
    except OSError as error:
        raise SourceError(
            f"cannot read '{name}': {error.strerror or error}; check the path and its permissions"
        ) from error
    raise SourceError(f"'{name}' does not exist: give a video file, a folder of images or a glob in quotes")


def name_of_source(source: str) -> str:
    """Return a name for the results of a source: the file's without its ending, or that of the folder of images."""
    path = Path(source).expanduser()
    if any(character in path.name for character in "*?["):
        path = path.parent
    path = path.resolve()
    return (path.name if path.is_dir() else path.stem) or "video"


def _glob_images(name: str, pattern: Path) -> list[Path]:
    matches = [Path(match) for match in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207 (the pattern may be absolute)
    files = sorted(filter(is_image_file, matches), key=lambda file: natural_key(str(file)))
    if files:
        return files
    if matches:
        raise SourceError(f"glob '{name}' matches no image: only {_extensions()} are read; give a video by its path")
    raise SourceError(f"glob '{name}' matches nothing: check the folder, and quote it against the shell")


def _extensions() -> str:
    return " ".join(extension.removeprefix(".") for extension in IMAGE_EXTENSIONS)
