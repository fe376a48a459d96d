"""Image files as frames: a folder, a glob or one image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from siamtrack.errors import SourceError
from siamtrack.io.frames import DEFAULT_RATE, Failures, Frame, Source, SourceInfo, beyond
from siamtrack.io.images import read_image


class ImageSource(Source):
    """Image files as frames at `DEFAULT_RATE`; made by `open_source`."""

    def __init__(self, name: str, files: list[Path], start: int, end: int | None) -> None:
        super().__init__(start, end)
        if start >= len(files):
            raise beyond(name, start, len(files))
        self._files = files
        first = self._peek(self._read())
        if first is None:
            raise SourceError(
                f"'{name}' has no readable image from '{files[start].name}' on: they are empty or damaged"
            )
        self.info = SourceInfo(name, first.shape[1], first.shape[0], DEFAULT_RATE, len(files), tuple(files))

    def close(self) -> None:
        """End the iteration; no file is open between frames."""
        self._frames = iter(())

    def _read(self) -> Iterator[Frame]:
        failed = Failures()
        for index in range(self._start, min(self._end or len(self._files), len(self._files))):
            try:
                image = read_image(self._files[index])
            except OSError as error:
                self._warn(f"{self._files[index]}: {error.strerror or error}")
                image = None
            if image is None:
                failed.add(index)
            yield Frame(index, float(index / DEFAULT_RATE), image)
        self._warn_failed(failed, str(self._files[0].parent))
