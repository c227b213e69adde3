"""A PostgreSQL server for the tests, with a password, on a Unix socket in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

PASSWORD = "hush-4711"


def find_programs() -> Path | None:
    """Give the folder of PostgreSQL's programs: that on the PATH, or the newest of Debian's."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


@dataclass(frozen=True)
class Server:
    programs: Path
    folder: Path

    def address(self, run: str = "", *, password: str = PASSWORD, database: str = "postgres") -> str:
        return f"postgresql://worker:{password}@/{database}{run and '/'}{run}?host={self.folder}"

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.address(), autocommit=True)

    def call(self, program: str, *arguments: str) -> None:
        """Call one of PostgreSQL's programs, which refuse to work for root."""
        command = [str(self.programs / program), *arguments]
        user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)
        subprocess.run(
            command,
            check=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            user=user,
            group=group,
            extra_groups=() if user else None,
        )

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=40"
        self.call("pg_ctl", "-s", "-w", "-D", "data", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """End the server as a crash of its machine would."""
        self.call("pg_ctl", "-s", "-w", "-D", "data", "-m", "immediate", "stop")


@contextmanager
def running_server(programs: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # a socket's path is short
    server = Server(programs, folder)
    try:
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody", "nogroup")
        rights = ("-A", "scram-sha-256", "-U", "worker", "--pwfile", "password")
        server.call("initdb", "-D", "data", "--no-sync", "-E", "UTF8", *rights)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
