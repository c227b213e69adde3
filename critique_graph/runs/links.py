"""Refuses links in run folders: in a folder from somebody else they would lead reads and writes anywhere."""

import os
import stat
from pathlib import Path

from critique_graph.core.errors import RunError


def refuse_link(file: Path) -> None:
    """Refuse a file of a run folder that is a link, or anything else but a plain file.

    Raises:
        RunError: It is.
    """
    try:
        mode = file.lstat().st_mode
    except OSError:  # it is absent, or using it will say why it cannot be used
        return
    if not stat.S_ISREG(mode):
        raise RunError(f"{file} is a link or no plain file; a run writes none, and does not follow it.")


def refuse_links(folder: Path) -> None:
    """Refuse a run folder that holds anything but plain files and folders, at any depth.

    Raises:
        RunError: It does.
    """
    for parent, folders, files in os.walk(folder):
        for name in folders:
            if (found := Path(parent, name)).is_symlink():
                raise RunError(f"{found} is a link; a run writes none, and does not follow it.")
        for name in files:
            refuse_link(Path(parent, name))
