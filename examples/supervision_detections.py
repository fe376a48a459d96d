"""Pass the results of the tracker to supervision: its annotators, zones, line counters and sinks.

    python examples/supervision_detections.py clip.mp4 out.mp4 120,80,64,48 20,30,40,40

Install supervision first: `pip install supervision`.
"""

import sys

import numpy as np
import supervision as sv

import siamtrack
from siamtrack.boxes import parse_box


def to_detections(results: dict[int, siamtrack.TrackResult]) -> sv.Detections:
    """Return the targets that are found as detections."""
    found = {target: result for target, result in results.items() if result.found}
    return sv.Detections(
        xyxy=np.array([result.box.xyxy for result in found.values()], np.float32).reshape(-1, 4),
        confidence=np.array([result.score for result in found.values()], np.float32),
        tracker_id=np.array(list(found), int),
    )


if __name__ == "__main__":
    path, output, *boxes = sys.argv[1:]
    targets = siamtrack.MultiTracker(siamtrack.load())
    annotator = sv.BoxAnnotator(color_lookup=sv.ColorLookup.TRACK)
    with siamtrack.open_source(path) as frames, siamtrack.VideoWriter(output, like=frames) as video:
        images = frames.images()
        first = next(images)
        for box in boxes:
            targets.add(first, parse_box(box))
        for image, results in siamtrack.track(images, targets):
            video.write(annotator.annotate(image.copy(), to_detections(results)))
