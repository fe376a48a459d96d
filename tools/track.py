"""`siamtrack track` for a debugger or an IDE: `python tools/track.py SOURCE --box X,Y,W,H`."""

import sys

from siamtrack.cli import main

sys.exit(main(["track", *sys.argv[1:]]))
