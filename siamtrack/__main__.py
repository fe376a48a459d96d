"""`python -m siamtrack` is the same as the installed command."""

import sys

from siamtrack.cli import main

sys.exit(main())
