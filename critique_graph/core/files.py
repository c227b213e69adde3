"""Write files that are either whole or absent: a temporary file beside them is written, synced, then renamed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from critique_graph.core.errors import RunError

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the content of `path` by `chunks`; a crash or a full disk at any moment leaves the old file.

    A link in the place of the file, or of the temporary one, is replaced: what it leads to stays as it is.

    Raises:
        RunError: The file cannot be written.
    """
    if "\0" in str(path):
        raise RunError(f"cannot write {str(path)!r}: a name has no NUL.")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process that was killed, or planted
        with os.fdopen(os.open(temporary, _NEW_FILE, 0o666), "wb") as file:
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


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file by one write, so that lines of several processes stay whole.

    Raises:
        RunError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(line + b"\n")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


DATASET = "dataset"
