"""Frames of a video, evenly spaced, on one picture: `python tools/contact_sheet.py VIDEO OUT.png`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from siamtrack.errors import SiamTrackError
from siamtrack.io.contact_sheet import contact_sheet
from siamtrack.io.images import write_image
from siamtrack.io.sources import open_source

TILE_WIDTH = 352


def main() -> int:
    """Read the video, write the picture; return the exit code."""
    parser = argparse.ArgumentParser(description="Frames of a video, evenly spaced, on one picture.")
    parser.add_argument("video", help="a video file, a folder of images or a glob")
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--tiles", type=int, default=12, help="number of frames (default: %(default)s)")
    parser.add_argument("--columns", type=int, default=4, help="frames side by side (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        write_sheet(arguments.video, arguments.out, arguments.tiles, arguments.columns)
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(arguments.out)
    return 0


def write_sheet(video: str, out: Path, tiles: int, columns: int) -> None:
    """Write `tiles` frames of a video, the first and the last among them, as one picture."""
    with open_source(video) as source:
        frames = [(frame.index, frame.time) for frame in source if frame.image is not None]
        height = round(TILE_WIDTH * source.info.height / source.info.width)
    tiles = max(1, min(tiles, len(frames)))
    wanted = {frames[round(tile * (len(frames) - 1) / max(tiles - 1, 1))][0] for tile in range(tiles)}
    # A second pass, so that a long video need not be held in memory.
    with open_source(video) as source:
        chosen = [frame for frame in source if frame.index in wanted and frame.image is not None]
    images = [frame.image for frame in chosen if frame.image is not None]
    captions = [f"frame {frame.index}  {frame.time:.2f} s" for frame in chosen]
    sheet = contact_sheet(images, columns, (TILE_WIDTH, height), captions)
    write_image(out, sheet)


if __name__ == "__main__":
    sys.exit(main())
