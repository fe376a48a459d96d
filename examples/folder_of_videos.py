"""Track one target in every video of a folder, and write one CSV file for each video.

    python examples/folder_of_videos.py videos results

The first line of videos/NAME.txt is the target in the first frame of videos/NAME.mp4: X,Y,W,H. The file
results/NAME.csv has the columns of `siamtrack track --csv`, and a row for every frame after the first.
"""

import argparse
from pathlib import Path

import siamtrack
from siamtrack.boxes import parse_box
from siamtrack.io import CsvWriter, Row


def main(videos: Path, results: Path) -> None:
    """Track all videos with one tracker. A video that cannot be read does not stop the others."""
    tracker = siamtrack.load()
    results.mkdir(parents=True, exist_ok=True)
    for text in sorted(videos.glob("*.txt")):
        table, line = results / f"{text.stem}.csv", text.read_text().partition("\n")[0]
        try:
            with siamtrack.open_source(text.with_suffix(".mp4")) as frames, CsvWriter(table) as rows:
                tracker.init(next(frames).image, parse_box(line))
                for frame, result in siamtrack.track(frames, tracker):
                    if result is not None:  # the frame could be decoded
                        rows.write(Row(frame.index, frame.time, 1, result.box, result.score, result.status))
            print(f"wrote {table}")
        except siamtrack.SiamTrackError as error:
            print(f"left out {text.stem}: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("results", type=Path)
    main(**vars(parser.parse_args()))
