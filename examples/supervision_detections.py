"""Hand the results of the tracker to supervision, for its annotators, zones, line counters and sinks.

    python examples/supervision_detections.py clip.mp4 out.mp4 120,80,64,48 20,30,40,40

It needs `pip install supervision`.
"""

import sys

import numpy as np
import supervision as sv

import siamtrack
from siamtrack.boxes import parse_box


def to_detections(results: dict[int, siamtrack.TrackResult]) -> sv.Detections:
    """Return the targets that are not lost as detections."""
    seen = {target: each for target, each in results.items() if each.status is not siamtrack.Status.LOST}
    return sv.Detections(
        xyxy=np.array([each.box.xyxy for each in seen.values()], np.float32).reshape(-1, 4),
        confidence=np.array([each.score for each in seen.values()], np.float32),
        tracker_id=np.array(list(seen), int),
    )


if __name__ == "__main__":
    path, output, *boxes = sys.argv[1:]
    targets = siamtrack.MultiTracker(siamtrack.load())
    annotators = [each(color_lookup=sv.ColorLookup.TRACK) for each in (sv.BoxAnnotator, sv.TraceAnnotator)]
    with siamtrack.open_source(path) as frames, siamtrack.VideoWriter(output, like=frames) as video:
        first = next(frames).image
        ids = [targets.add(first, parse_box(box)) for box in boxes]
        for image in (frame.image for frame in frames if frame.image is not None):
            picture, detections = image.copy(), to_detections(targets.update(image))
            for annotator in annotators:
                picture = annotator.annotate(picture, detections)
            video.write(picture)
