"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name beside it; at the end of the block it gets its name, once all is on the disk.

    What stood there before survives when this fails; a process that is killed leaves no half file under the name.

    Raises:
        OSError: when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file see `replacing`.

    Raises:
        OSError: when it cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write into; at the end of the block it takes its place.

    What stood there before survives when this fails.

    Raises:
        OSError: when it cannot be made or moved.
    """
    scratch = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        scratch.chmod(0o755)  # as other folders are; mkdtemp makes private ones
        yield scratch
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
