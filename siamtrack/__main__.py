"""`python -m siamtrack` is the same as the installed command."""

from siamtrack.cli import command

command()
