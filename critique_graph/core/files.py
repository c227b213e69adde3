"""Write files that are either whole or absent: a temporary file beside them is written, synced, then renamed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from critique_graph.core.errors import RunError


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the content of `path` by `chunks`; a crash or a full disk at any moment leaves the old file.

    Raises:
        RunError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}.") from error
    finally:
        with suppress(OSError):  # it was renamed, or never created
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


DATASET = "dataset"
