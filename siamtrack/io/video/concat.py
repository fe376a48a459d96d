"""Videos that were written one after the other as one, without encoding them again."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error

from siamtrack.io.results import write_failure

REORDERED = 4
"""Frames that are decoded at most before they are shown, with any encoder of `VideoEncoder`."""


def join_videos(parts: Sequence[Path], output: Path, rate: Fraction) -> None:
    """Join videos of the same encoder, size and constant rate, each written by `VideoEncoder`.

    Args:
        parts: at least one, in their order.
        output: file to write; its extension chooses the container.
        rate: frames per second of all of them.

    Raises:
        OutputError: when it cannot be written; nothing is left of it then.
    """
    try:
        with av.open(str(output), "w", options={"movflags": "+faststart"}) as joined:
            stream = None
            frames = 0
            for part in parts:
                with av.open(str(part)) as container:
                    source = container.streams.video[0]
                    stream = stream or joined.add_stream_from_template(source)
                    packets = [packet for packet in container.demux(source) if packet.size]
                    for number, packet in enumerate(packets, frames):
                        tick = 1 / (rate * (packet.time_base or 1))
                        packet.pts = (packet.pts or 0) + round(frames * tick)
                        # Evenly spaced, as those of one part are: each begins anew, at a time before its first frame.
                        packet.dts = round((number - REORDERED) * tick)
                        packet.stream = stream
                        joined.mux(packet)
                    frames += len(packets)
    except av.error.FFmpegError as error:
        output.unlink(missing_ok=True)
        raise write_failure(output, error) from error
