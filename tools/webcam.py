"""`siamtrack webcam` for a debugger or an IDE: `python tools/webcam.py --camera 0`."""

import sys

from siamtrack.cli import main

sys.exit(main(["webcam", *sys.argv[1:]]))
