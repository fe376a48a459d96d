"""The command line: it reads options, calls the workflow underneath and turns every error into one clear line."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from siamtrack.errors import SiamTrackError, UsageError

SIGNALLED = 128
"""Exit codes from here on name the signal that ended a process: 130 is Ctrl-C, as shells report it."""


def command() -> NoReturn:
    """Run the command `siamtrack` and end the process."""
    # Loading PyTorch makes a million objects that stay: to look for garbage among them, while loading and at the end,
    # took a fifth of the time of a short run.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `siamtrack`.

    Args:
        arguments: the command line without the program's name; `sys.argv[1:]` by default.

    Returns:
        The exit code: 0 done, 1 failed while running, 2 asked for something impossible, 130 interrupted by Ctrl-C.
    """
    import typer

    from siamtrack.cli import console
    from siamtrack.cli.app import app

    console.configure_logging()
    try:
        # In this mode typer hands back what a command returned, or the code of an early exit; Ctrl-C is 130.
        code = app(arguments, prog_name="siamtrack", standalone_mode=False) or 0
        if code >= SIGNALLED:
            console.show_error("interrupted")
        return int(code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "siamtrack"
        message = error.format_message().rstrip(".").replace(": Value error, ", ": ")  # pydantic's word for a choice
        console.show_error(f"{message} (see {command} --help)")
        return UsageError.exit_code
    except SiamTrackError as error:
        console.show_error(str(error))
        return error.exit_code
    except OSError as error:  # whatever the system refused; the places that expect it say more
        what = f"{error.filename}: " if error.filename else ""
        console.show_error(f"{what}{error.strerror or error}: check the path, its permissions and the room on the disk")
        return SiamTrackError.exit_code
    except MemoryError:
        console.show_error("not enough memory: try smaller frames or fewer targets")
        return SiamTrackError.exit_code
    except Exception as error:  # noqa: BLE001  # the last resort of a command: whatever it is, one line
        console.show_error(f"{type(error).__name__}: {error} (this is a bug in siamtrack; --debug shows where)")
        return SiamTrackError.exit_code
