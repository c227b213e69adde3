"""Traces of an application that embeds the loop, out of its LangGraph checkpointer: what it answered becomes data."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import ValidationError

from critique_graph.errors import InputError, MissingDependencyError
from critique_graph.schema import Problem, Trace
from critique_graph.state import ActorCriticInput, problem_id

GRAPH = "actor_critic"


def read_checkpoints(place: str) -> Iterator[Trace]:
    """Give the traces of the loop's finished threads, newest first; unfinished ones are left out.

    A thread is finished when its chains have voted. (That it has no next task does not say so: neither has one whose
    input alone was stored.) The state is plain JSON, and nothing else is restored: types in a checkpoint that could run
    code when they are read are not. A person in the critic's place is named by the calls' `model`, as any other.

    Args:
        place: A file of `SqliteSaver`, or the address of a `PostgresSaver`, `postgresql://...`.

    Raises:
        InputError: There are no checkpoints at `place`, or what is there is not the loop's.
        MissingDependencyError: The checkpointer's package is not installed.
    """
    seen: set[tuple[str, str]] = set()
    with _saver(place) as saver:
        for stored in saver.list(None):
            thread = stored.config["configurable"]["thread_id"]
            key = (thread, stored.config["configurable"].get("checkpoint_ns", ""))
            values = stored.checkpoint["channel_values"]
            if key not in seen and values.get("ballot") is not None and "question" in values:
                try:
                    yield _trace(values)
                except ValidationError as error:
                    first = error.errors()[0]
                    where = ".".join(map(str, first["loc"]))
                    raise InputError(f"{place}, thread {thread} is not the loop's: {where}: {first['msg']}.") from error
            seen.add(key)


def _trace(values: dict[str, Any]) -> Trace:
    return Trace(
        problem=Problem(
            id=problem_id(cast(ActorCriticInput, values)),
            question=values["question"],
            answer=values.get("reference"),
        ),
        graph=GRAPH,
        settings={},  # a checkpoint does not hold them
        seconds=0.0,
        **{name: values.get(name) for name in ("chains", "ballot", "answer", "correct", "grade", "usage")},
    )


@contextmanager
def _saver(place: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """Open a checkpointer for reading, with a serialiser that makes no objects but LangGraph's own plain ones."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    if place.startswith(("postgresql://", "postgres://")):
        saver = _imported("langgraph.checkpoint.postgres", "langgraph-checkpoint-postgres").PostgresSaver
        opened: AbstractContextManager[Any] = saver.from_conn_string(place)
    else:
        file = Path(place)
        if not file.is_file() or file.read_bytes()[:15] != b"SQLite format 3":
            raise InputError(f"{place}: there is no SQLite file here, nor is it a postgresql:// address.")
        saver = _imported("langgraph.checkpoint.sqlite", "langgraph-checkpoint-sqlite").SqliteSaver
        opened = saver.from_conn_string(str(file))
    with opened as found:
        found.serde = serde
        yield found


def _imported(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, extra="checkpoints", purpose="Reading checkpoints") from error
