"""Track several targets through a video, all in one forward pass a frame.

    python examples/several_targets.py clip.mp4 out.mp4 120,80,64,48 20,30,40,40

Each box is a target in the first frame: X,Y,W,H in pixels.
"""

import argparse

import siamtrack
from siamtrack.boxes import parse_box


def main(source: str, output: str, boxes: list[siamtrack.Box]) -> None:
    """Track and draw all targets. Each has an id, the same in every frame; the id of the first box is 1."""
    targets = siamtrack.MultiTracker(siamtrack.load())
    with siamtrack.open_source(source) as frames, siamtrack.VideoWriter(output, like=frames) as video:
        first = next(frames)
        for box in boxes:
            print(*box, "is target", targets.add(first.image, box))
        for frame, results in siamtrack.track(frames, targets):
            if results is None:  # the frame could not be decoded
                continue
            lost = [target for target, result in results.items() if not result.found]
            print(f"frame {frame.index}: {len(results) - len(lost)} of {len(results)} found, lost:", *lost)
            video.write(siamtrack.draw(frame.image, results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("boxes", type=parse_box, nargs="+")
    main(**vars(parser.parse_args()))
