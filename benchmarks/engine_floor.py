"""Measures below what `engine.py` cannot go: a LangGraph that does what the task needs, and nothing else.

    python benchmarks/engine_floor.py --slots 64 --latency 0 --trials 5
    python benchmarks/engine_floor.py --slots 64 --latency 0.5 --problems 300 --trials 3

The floor has the nodes of the bare graph. It asks the engine as a chat model, with the real prompts; it reads every
critique, aligns it with the steps of the response, grades the responses, writes a row to a journal for every call and
a trace for every problem, with the functions of this package where these do the work. It has no limits, retries,
budgets, keys of calls, typed states, gates, records of failures, seeds, progress or summary, and cannot resume.
"""

import argparse
import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import orjson
from engine import DRIVERS, Cost, Engine, EngineModel, Intake, line, loop_graph, measure, work_off
from langchain_core.messages import AIMessage, BaseMessage

from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Critique, Problem
from critique_graph.grading.grader import default_grader
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages

PAUSE = 0.05
"""Seconds between two transactions of the journal, as in `runs/journal.py`."""


class Journal:
    """Rows that a thread writes together every `PAUSE` seconds."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE calls (problem, role, usage, text);"
        )
        self._rows: list[tuple[str, str, bytes, str]] = []

    def add(self, problem: str, role: str, message: AIMessage) -> None:
        """Take the row of a call."""
        self._rows.append((problem, role, orjson.dumps(message.usage_metadata), message.text))

    async def write(self) -> None:
        """Write rows until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            if self._rows:
                rows, self._rows = self._rows, []
                await asyncio.to_thread(self._write, rows)

    def _write(self, rows: list[tuple[str, str, bytes, str]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", rows)


class FloorState(TypedDict, total=False):
    """State of the floor's graph."""

    problem: Problem
    responses: list[str]
    critiques: list[Critique]


async def floor(engine: Engine, problems: Intake, in_flight: int) -> None:
    """Do what the task needs."""
    model, grader = EngineModel(engine=engine), default_grader()
    with tempfile.TemporaryDirectory() as folder, _opened(Path(folder, "traces.jsonl")) as traces:
        journal = Journal(Path(folder, "journal.sqlite"))

        async def ask(state: FloorState, role: str, messages: Sequence[BaseMessage]) -> str:
            message: Any = (await model._agenerate(list(messages))).generations[0].message
            journal.add(state["problem"].id, role, message)
            return str(message.text)

        async def solve(state: FloorState) -> FloorState:
            return {"responses": [await ask(state, "actor", solve_messages(state["problem"].question))]}

        async def critique(state: FloorState) -> FloorState:
            response = state["responses"][-1]
            said = await ask(state, "critic", critique_messages(state["problem"].question, response))
            return {"critiques": [*state.get("critiques", ()), parse_critique(said, response)]}

        async def refine(state: FloorState) -> FloorState:
            response, judged = state["responses"][-1], state["critiques"][-1]
            messages = refine_messages(state["problem"].question, response, judged.text)
            return {"responses": [*state["responses"], await ask(state, "actor", messages)]}

        async def vote(state: FloorState) -> FloorState:
            problem, responses = state["problem"], state["responses"]
            assert problem.answer is not None
            answers = [grader.extract(response) for response in responses]
            grades = [await grader.grade(answer, problem.answer) for answer in answers]
            assert all(grade.is_correct for grade in grades)
            trace = {
                "problem": problem.model_dump(),
                "responses": responses,
                "answers": answers,
                "correct": [grade.is_correct for grade in grades],
                "critiques": [critique.model_dump() for critique in state["critiques"]],
            }
            traces.write(orjson.dumps(trace, option=orjson.OPT_APPEND_NEWLINE))
            return {}

        async def after_refine(state: FloorState) -> str:
            return "critique" if len(state["responses"]) < 1 + engine.rounds else "vote"

        graph = loop_graph(FloorState, (solve, critique, refine, vote), after_refine)

        async def play(problem: Problem) -> None:
            await graph.ainvoke({"problem": problem}, {"recursion_limit": 256})

        writing = asyncio.create_task(journal.write())
        await work_off(problems, play, in_flight)
        writing.cancel()


def _opened(path: Path) -> BinaryIO:
    return path.open("wb")


def main() -> None:
    """Print the table of `engine.py`, with the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.5, help="mean seconds of a call; 0: saturated")
    parser.add_argument("--problems", type=int, default=300, help="problems of two rounds")
    parser.add_argument("--trials", type=int, default=3)
    options = parser.parse_args()
    DRIVERS["floor"] = floor
    print(f"{options.slots} slots, {options.latency} s mean, load {os.getloadavg()[0]:.1f}")
    print(f"rounds {'':<6} {'slots busy':>10} {'CPU ms/call':>12} {'of bare':>22} {'of a core':>9} {'wall s':>8}")
    trials: dict[str, list[Cost]] = {name: [] for name in ("bare", "floor", "ours")}
    for _ in range(options.trials):
        for name, costs in trials.items():
            costs.append(asyncio.run(measure(name, options.slots, options.latency, options.problems, 2)))
    for name, costs in trials.items():
        print(line(name, 2, costs, trials["bare"]), flush=True)


if __name__ == "__main__":
    main()
