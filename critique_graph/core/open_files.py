"""The number of files that this process may have open at once: every call in flight to a server has a connection."""

from contextlib import suppress

ENOUGH = 65_536


def allow_open_files() -> None:
    """Let this process have as many open files as the system allows it, up to `ENOUGH`; most begin with 1,024 or 256.

    Nothing changes where the system has no such limit, or where the process has more already.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource  # there is none on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
        if soft != resource.RLIM_INFINITY and soft < allowed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
