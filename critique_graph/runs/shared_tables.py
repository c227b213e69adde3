"""The database of shared journals: its address, its tables, and how a process connects and says what went wrong.

A database holds any number of runs, each under a name, in a schema of their own. Its encoding does not matter: texts of
models and users are stored as bytes.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, Self
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from critique_graph.core.errors import InputError, RunError, first_line
from critique_graph.core.secrets import remember

FORMAT = 1
_DEFAULT_RUN = "run"
_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_LOCK = 0x63726974_67726168
"""Advisory lock under which the tables are made."""
IDLE_SECONDS = 60
"""Seconds after which the database ends a transaction whose process is silent, and frees the problems that it locks."""
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "critique-graph",
}
_TABLES: LiteralString = """
CREATE SCHEMA critique_graph;
CREATE TABLE critique_graph.format (version int NOT NULL);
CREATE TABLE critique_graph.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    settings bytea NOT NULL
);
CREATE TABLE critique_graph.sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES critique_graph.runs ON DELETE CASCADE,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    alive_until timestamptz NOT NULL,
    seconds double precision NOT NULL DEFAULT 0
);
CREATE INDEX ON critique_graph.sessions (run);
CREATE VIEW critique_graph.alive AS SELECT id FROM critique_graph.sessions WHERE alive_until > clock_timestamp();
CREATE TABLE critique_graph.problems (
    run bigint NOT NULL REFERENCES critique_graph.runs ON DELETE CASCADE,
    position int NOT NULL,
    id bytea NOT NULL,
    digest bytea NOT NULL,
    problem bytea NOT NULL,
    session bigint,
    status text NOT NULL DEFAULT 'pending',
    reason bytea,
    trace bytea,
    settled timestamptz,
    PRIMARY KEY (run, position)
);
CREATE INDEX ON critique_graph.problems (run, position) WHERE status IN ('pending', 'failed');
CREATE TABLE critique_graph.calls (
    run bigint NOT NULL,
    position int NOT NULL,
    place text NOT NULL,
    reply bytea NOT NULL,
    PRIMARY KEY (run, position, place),
    FOREIGN KEY (run, position) REFERENCES critique_graph.problems ON DELETE CASCADE
);
"""


@dataclass(frozen=True)
class Address:
    """Where a shared journal is: `postgresql://USER@HOST/DATABASE`, with `/NAME` behind it for the name of the run."""

    parameters: dict[str, Any]
    """Parameters of libpq."""
    run: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read an address.

        Raises:
            InputError: It is none; the message does not quote it, since parts of a password may be anywhere in it.
        """
        try:
            parts = urlsplit(text)
            database, *names = parts.path.removeprefix("/").split("/")
            run = names[0] if names else _DEFAULT_RUN
            if len(names) > 1 or parts.fragment or "@" in parts.path or not _NAME.fullmatch(run):
                raise ValueError("not of the form")
            query = f"?{parts.query}" if parts.query else ""
            parameters = conninfo_to_dict(f"{parts.scheme}://{parts.netloc}/{database}{query}")
            if not re.fullmatch(r"[\d,]*", str(parameters.get("port", ""))):
                raise ValueError("no port")
        except (ValueError, psycopg.Error):
            raise InputError(
                "journal: expected postgresql://HOST:PORT/DATABASE or …/DATABASE/RUN, with letters, digits, '.', '_' "
                "and '-' in the name of the run, and %XX for special characters of a user or a password."
            ) from None
        remember(str(parameters.get("password", "")))
        return cls({**_DEFAULTS, **parameters}, run)

    def __str__(self) -> str:
        shown = {"host": "", "port": "", "dbname": "", **self.parameters}
        port = f":{shown['port']}" if shown["port"] else ""
        return f"postgresql://{shown['host']}{port}/{shown['dbname']}/{self.run}"


def connect(address: Address) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to the database of a journal; each statement outside of a transaction commits by itself."""
    connection = psycopg.connect(
        **address.parameters, autocommit=True, client_encoding="UTF8", prepare_threshold=None
    )  # no prepared statements: poolers that share connections do not know them
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    return connection


def make_tables(connection: psycopg.Connection[tuple[Any, ...]], address: Address) -> None:
    """Make the tables of journals, if they are not there yet.

    Raises:
        RunError: Those that are there have another format.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if connection.execute("SELECT to_regnamespace('critique_graph')").fetchone() == (None,):
            connection.execute(_TABLES)
            connection.execute("INSERT INTO critique_graph.format VALUES (%s)", (FORMAT,))
        found = connection.execute("SELECT version FROM critique_graph.format").fetchall()
    if found != [(FORMAT,)]:
        versions = ", ".join(str(version) for (version,) in found)
        raise RunError(f"{address} has journals of another format, {versions}; this version reads format {FORMAT}.")


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turn errors of the database into one clear line."""
    try:
        yield
    except psycopg.Error as error:
        raise RunError(
            f"cannot use {address}: {first_line(error).rstrip('.')}. Nothing committed is lost; the same command "
            "resumes."
        ) from error
