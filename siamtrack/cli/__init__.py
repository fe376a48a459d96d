"""Command line. It reads options, calls a workflow and turns every error into one line."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from siamtrack.errors import SiamTrackError, UsageError


def command() -> NoReturn:
    """Run the command `siamtrack` and end the process."""
    # Loading PyTorch creates a million objects that stay. Collecting garbage among them, while loading and at exit,
    # took a fifth of the time of a short run.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `siamtrack`.

    Args:
        arguments: command line without the name of the program; `sys.argv[1:]` by default.

    Returns:
        The exit code: 0 for success, 1 for a failure while running, 2 for wrong usage, 130 for Ctrl-C.
    """
    import typer

    from siamtrack.cli import console
    from siamtrack.cli.app import app

    console.configure_logging()
    try:
        # In this mode, typer returns the result of the command, or the code of an early exit; Ctrl-C is 130.
        code = app(arguments, prog_name="siamtrack", standalone_mode=False) or 0
        if code >= console.SIGNALED:
            console.show_error("interrupted")
        return int(code)
    except typer.TyperException as error:
        message = error.format_message().rstrip(".").replace(": Value error, ", ": ")  # pydantic's word for a choice
        if message:  # without a command, typer has printed the help, and there is nothing to say
            context = getattr(error, "ctx", None)
            command = context.command_path if context is not None else "siamtrack"
            console.show_error(f"{message} (see {command} --help)")
        return UsageError.exit_code
    except SiamTrackError as error:
        console.show_error(str(error))
        return error.exit_code
    except OSError as error:  # an error of the system that no other place has explained
        subject = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or error
        console.show_error(f"{subject}{reason}: check the path, its permissions and the room on the disk")
        return SiamTrackError.exit_code
    except MemoryError:
        console.show_error("not enough memory: try smaller frames or fewer targets")
        return SiamTrackError.exit_code
    except Exception as error:  # noqa: BLE001  # the last resort of a command: any error is one line
        console.show_error(f"{type(error).__name__}: {error} (this is a bug in siamtrack; --debug shows where)")
        return SiamTrackError.exit_code
