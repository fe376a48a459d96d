"""Your own loop: frames from wherever you like, and targets that come and go while it runs.

    python examples/camera_loop.py 0      # or a file, or a stream that OpenCV opens

n: a new target, drawn with the mouse; d: drop the one that was followed longest; q: quit.
"""

import sys

import cv2

import siamtrack


def main(source: str) -> None:
    """All that the tracker needs of a frame is that it is `(height, width, 3)` uint8 BGR, as OpenCV gives it."""
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise SystemExit(f"cannot open '{source}'")
    targets = siamtrack.MultiTracker(siamtrack.load())
    while True:
        there, frame = capture.read()
        if not there:
            break
        cv2.imshow("siamtrack", siamtrack.draw(frame, targets.update(frame)))
        key = chr(cv2.waitKey(1) & 0xFF)
        if key == "q":
            break
        if key == "d" and targets.ids:
            targets.remove(targets.ids[0])
        if key == "n":
            try:
                targets.add(frame, cv2.selectROI("siamtrack", frame))
            except siamtrack.SiamTrackError as error:  # a click, for example, is no box
                print(error)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "0")
