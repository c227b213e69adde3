"""Traces of an application that embeds the loop, read from its LangGraph checkpointer: its answers become data."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import ormsgpack
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from pydantic import ValidationError

from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import InputError, MissingDependencyError, first_line
from critique_graph.core.schema import Chain, Problem, Round, Trace
from critique_graph.core.state_records import problem_id, reference_of

GRAPH = "actor_critic"
_SQLITE_HEAD = b"SQLite format 3"


def read_checkpoints(place: str) -> Iterator[Trace]:
    """Give the traces of the loop's finished threads, newest first; unfinished ones are left out.

    A thread is finished when its chains have voted since its last question. (A thread without a next task need not be
    finished: perhaps only its input was stored.) The state is plain JSON, and nothing else is restored, in particular
    no types that could run code when they are read (`_PlainSerializer`).

    A critique that was changed in the stored state (`update_state`) is parsed again and marked as edited. The calls'
    `model` names a person in the critic's place as it names any other critic.

    Args:
        place: A file of `SqliteSaver`, which is only read, or the address of a `PostgresSaver`, `postgresql://...`.

    Raises:
        InputError: There are no checkpoints at `place`, or they are not the loop's.
        MissingDependencyError: The checkpointer's package is not installed.
    """
    with _saver(place) as saver, _not_the_loops(place):
        for config in _finished(saver):
            thread = f"{place}, thread {config['configurable']['thread_id']}"
            with closing(cast(Any, saver.list(config))) as history, _not_the_loops(thread):
                newest = next(history)
                values = newest.checkpoint["channel_values"]
                trace = _trace(values, _critiques_put_in(chain([newest], history), values))
            yield trace


@contextmanager
def _not_the_loops(place: str) -> Iterator[None]:
    """Turn what goes wrong with checkpoints of another form into one line."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{place} is not the loop's: {where}: {first['msg']}.") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{place} is not the loop's: {type(error).__name__}: {first_line(error)}.") from error


def _finished(saver: BaseCheckpointSaver[Any]) -> list[RunnableConfig]:
    """Name the threads (and, in a larger graph, the places in them) whose newest state is that of a finished loop."""
    newest: dict[tuple[str, str], bool] = {}
    with closing(cast(Any, saver.list(None))) as everything:
        for stored in everything:
            place = stored.config["configurable"]
            newest.setdefault((place["thread_id"], place.get("checkpoint_ns", "")), _is_finished(stored))
    return [
        {"configurable": {"thread_id": thread, "checkpoint_ns": inside}}
        for (thread, inside), is_finished in newest.items()
        if is_finished
    ]


def _is_finished(stored: CheckpointTuple) -> bool:
    values: Mapping[str, Any] = stored.checkpoint["channel_values"]
    versions: Mapping[str, Any] = stored.checkpoint["channel_versions"]  # a number or a string, by checkpointer
    if values.get("ballot") is None or "question" not in values:
        return False
    return bool(versions["ballot"] >= versions["question"])  # else it was asked again, and has not voted yet


def _critiques_put_in(history: Iterator[CheckpointTuple], values: Mapping[str, Any]) -> set[str]:
    """Give the texts of critiques that no critic wrote: an update stored the oldest state that has them."""
    source: dict[str, str] = {}
    wanted = set(_critiques(values))
    for stored in history:
        for text in wanted & set(_critiques(stored.checkpoint["channel_values"])):
            source[text] = stored.metadata.get("source", "loop")
    return {text for text, first in source.items() if first == "update"}


def _critiques(values: Mapping[str, Any]) -> Iterator[str]:
    for given in values.get("chains") or ():
        for step in given.get("rounds", ()):
            yield step["critique"]["text"]


def _trace(values: dict[str, Any], edited: set[str]) -> Trace:
    trace = Trace(
        problem=Problem(
            id=problem_id(values),
            question=values["question"],
            answer=reference_of(values),
        ),
        graph=GRAPH,
        settings={},  # a checkpoint does not hold them
        seconds=0.0,
        changes=values.get("changes") or (),  # none in states of earlier versions
        **{name: values.get(name) for name in ("chains", "ballot", "answer", "correct", "grade", "usage")},
    )
    if not edited:
        return trace
    return trace.model_copy(update={"chains": tuple(_with_edits(given, edited) for given in trace.chains)})


def _with_edits(given: Chain, edited: set[str]) -> Chain:
    rounds: list[Round] = []
    response = given.response
    for step in given.rounds:
        if step.critique.text in edited and response is not None:
            critique = parse_critique(step.critique.text, response.text, has_reasoning=False)
            step = step.model_copy(update={"critique": critique, "is_edited": True})
        rounds.append(step)
        response = step.judged_next(response)
    return given.model_copy(update={"rounds": tuple(rounds)})


class _PlainSerializer:
    """Restores plain values alone, and None in the place of everything else.

    LangGraph's own serializer calls functions and classes that a checkpoint names: by default all that can be imported,
    in its strict mode still some.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        raise NotImplementedError("checkpoints are only read")

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        kind, blob = data
        match kind:
            case "msgpack":
                return ormsgpack.unpackb(blob, ext_hook=lambda code, inner: None, option=ormsgpack.OPT_NON_STR_KEYS)
            case "json":
                return json.loads(blob)
            case _:
                return None


@contextmanager
def _saver(place: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """Open a checkpointer for reading."""
    serde = _PlainSerializer()
    if place.startswith(("postgresql://", "postgres://")):
        saver = _imported("langgraph.checkpoint.postgres", "langgraph-checkpoint-postgres").PostgresSaver
        try:
            with saver.from_conn_string(place) as found:
                found.serde = serde
                yield found
        except _imported("psycopg", "psycopg").Error as error:
            where = re.sub("//.*@", "//", place)  # no password
            raise InputError(f"{where}: no checkpoints can be read here: {error}".rstrip()) from error
        return
    file = Path(place)
    if not _is_sqlite(file):
        raise InputError(f"{place}: there is no SQLite file here, nor is it a postgresql:// address.")
    saver = _imported("langgraph.checkpoint.sqlite", "langgraph-checkpoint-sqlite").SqliteSaver
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as connection:
        try:
            yield saver(connection, serde=serde)
        except sqlite3.Error as error:
            raise InputError(f"{place}: no checkpoints can be read here: {error}.") from error


def _is_sqlite(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE_HEAD)) == _SQLITE_HEAD


def _imported(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, extra="checkpoints", purpose="Reading checkpoints") from error
