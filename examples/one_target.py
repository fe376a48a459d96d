"""Track one target through a video, and write the video with the box drawn in it.

    python examples/one_target.py clip.mp4 120,80,64,48 out.mp4

The source is a video, a folder of images or a glob in quotes. The box is the target in the first frame: X,Y,W,H in
pixels. X,Y is its top left corner.
"""

import argparse

import siamtrack
from siamtrack.boxes import parse_box


def main(source: str, box: siamtrack.Box, output: str) -> None:
    """Track and draw frame by frame. Memory does not grow with the length of the video."""
    tracker = siamtrack.load()
    with siamtrack.open_source(source) as frames, siamtrack.VideoWriter(output, like=frames) as video:
        first = next(frames)
        tracker.init(first.image, box)
        video.write(first.image)
        for frame, result in siamtrack.track(frames, tracker):
            if result is None:  # the frame could not be decoded
                continue
            print(f"{frame.time:.3f} s: {result.status} with {result.score:.2f} at", *(f"{x:.1f}" for x in result.box))
            video.write(siamtrack.draw(frame.image, result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("box", type=parse_box)
    parser.add_argument("output")
    main(**vars(parser.parse_args()))
