"""Checkpoints of others, with values that want to run code: no code runs, wherever in a checkpoint they stand."""

import logging
import sqlite3
from pathlib import Path

import hostile_checkpoints
import ormsgpack
import pytest
from fakes import ScriptedModel, critique_text, solution
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from critique_graph.cli import run_command
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.miniature import weights_path

QUESTION = "What is 3 + 4?"
THREAD = {"configurable": {"thread_id": "thread"}}
COMMANDS = [
    ["--to", "traces"],
    ["--to", "trl", "--task", "critic"],
    ["--to", "trl", "--task", "actor", "--check-mask", "--tokenizer", str(weights_path("actor"))],
    ["--to", "prm", "--out", "rows.jsonl"],
]
EVERYWHERE = ["whole checkpoint", "a channel", "a write"]


def poison(file: Path, place: str, blob: tuple[str, bytes]) -> None:
    """Put a value into every checkpoint of a file."""
    kind, value = blob
    with sqlite3.connect(file) as connection:
        if place == "a write":
            connection.execute("UPDATE writes SET type = ?, value = ?", (kind, value))
        elif place == "whole checkpoint":
            connection.execute("UPDATE checkpoints SET type = ?, checkpoint = ?", (kind, value))
        else:
            for number, stored in connection.execute("SELECT rowid, checkpoint FROM checkpoints").fetchall():
                state = ormsgpack.unpackb(stored, ext_hook=ormsgpack.Ext, option=ormsgpack.OPT_NON_STR_KEYS)
                inner = ormsgpack.unpackb(value, ext_hook=ormsgpack.Ext) if kind == "msgpack" else value
                state["channel_values"] |= {"chains": inner, "extra": inner, "question": QUESTION}
                packed = ormsgpack.packb(state, option=ormsgpack.OPT_NON_STR_KEYS)
                connection.execute("UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", (packed, number))
    connection.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives the checkpoints of an application that embeds the loop."""
    monkeypatch.chdir(tmp_path)
    graph = create_actor_critic(ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")]))
    connection = sqlite3.connect(tmp_path / "app.sqlite", check_same_thread=False)
    graph.compile(checkpointer=SqliteSaver(connection)).invoke({"question": QUESTION, "reference": "7"}, THREAD)
    connection.close()
    return tmp_path / "app.sqlite"


@pytest.mark.parametrize("place", EVERYWHERE)
@pytest.mark.parametrize("kind", hostile_checkpoints.KINDS)
def test_export_runs_no_code_of_a_checkpoint(
    kind: str, place: str, file: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    canary = tmp_path / "canary"
    poison(file, place, hostile_checkpoints.KINDS[kind](str(canary)))
    for command in COMMANDS:
        code = run_command(["export", "--checkpoints", str(file), *command])
        assert not canary.exists()
        assert code != 1, capfdbinary.readouterr().err  # an internal error


@pytest.mark.parametrize("kind", hostile_checkpoints.KINDS)
def test_graph_with_a_strict_checkpointer_runs_none_either(kind: str, file: Path, tmp_path: Path) -> None:
    """`LANGGRAPH_STRICT_MSGPACK=true` makes this serializer the default one; `langgraph.json` sets it."""
    canary = tmp_path / "canary"
    poison(file, "a channel", hostile_checkpoints.KINDS[kind](str(canary)))
    saver = SqliteSaver(
        sqlite3.connect(file, check_same_thread=False), serde=JsonPlusSerializer(allowed_msgpack_modules=None)
    )
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")])
    graph = create_actor_critic(actor, critic).compile(checkpointer=saver)
    graph.get_state(THREAD)
    list(graph.get_state_history(THREAD))
    graph.invoke({"question": QUESTION}, THREAD)
    assert not canary.exists()


@pytest.mark.parametrize("kind", hostile_checkpoints.LIVE)
def test_langgraph_would_run_it_by_default(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    canary = tmp_path / "canary"
    with caplog.at_level(logging.CRITICAL):
        JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(hostile_checkpoints.KINDS[kind](str(canary)))
    assert canary.exists()
