"""Files that are either whole or absent: written beside their place, synced, then renamed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from critique_graph.core.errors import RunError


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace `path` by `chunks`; a crash or a full disk at any moment leaves the old file.

    Raises:
        RunError: the file cannot be written.
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
        with suppress(OSError):  # renamed, or never made
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


DATASET = "dataset"
