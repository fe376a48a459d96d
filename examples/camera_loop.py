"""A loop of your own: frames from OpenCV, and targets that are added and removed while it runs.

    python examples/camera_loop.py 0      # or a file, or a stream that OpenCV opens

Keys: n adds a target, drawn with the mouse; d removes the oldest target; q quits.
"""

import sys

import cv2

import siamtrack


def main(source: str) -> None:
    """Track in a window. The tracker takes any frames `(height, width, 3)` uint8 BGR, as OpenCV gives them."""
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise SystemExit(f"cannot open '{source}'")
    targets = siamtrack.MultiTracker(siamtrack.load())
    while True:
        ok, frame = capture.read()
        if not ok:
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
            except siamtrack.SiamTrackError as error:  # for example a click, which is no box
                print(error)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "0")
