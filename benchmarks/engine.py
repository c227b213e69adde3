"""Measures what a driver costs, and whether it keeps an engine busy: plain asyncio, bare LangGraph, our graph.

    python benchmarks/engine.py                                            # 256 slots, 2 s a call, about 3 minutes
    python benchmarks/engine.py --slots 64 --latency 0.5 --problems 300    # 128 calls a second, half a minute
    python benchmarks/engine.py --slots 64 --latency 0 --trials 5          # saturated: the engine answers at once
    python benchmarks/engine.py --slots 64 --latency 0 --rounds 1 4 16     # whether the cost of a call grows

All three do the same work on a simulated engine: solve, then rounds of critique and refinement, one call after the
other, with 1.25 problems in flight per slot. Our graph includes everything: chat models, prompts, critique parsing,
grading, and the journal. "Slots busy" is measured while new problems still start; CPU is that of this process, with
the engine's own cost. Trials take turns, and the table has their medians. The ratios are to bare LangGraph in the same
trial, with the least and the greatest of them: on a busy machine they tell more than the milliseconds.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph
from pydantic import ConfigDict
from typing_extensions import TypedDict

from critique_graph.core.critique import render_critique
from critique_graph.core.schema import Critique, Problem, StepVerdict
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import summarise

STEPS = [f"In step {n} we add {n} to what we had and get {n * (n + 1) // 2}." for n in range(1, 11)]
RESPONSE = "\n".join([*STEPS, "The answer is \\boxed{55}."])
CRITIQUE = render_critique(
    Critique(
        text="",
        steps=tuple(StepVerdict(text=step, verdict="correct", explanation="The sum is right.") for step in STEPS),
        final="wrong",
        final_explanation="The last step should have been checked.",
    )
)


class Engine:
    """An engine with slots, each busy with one call at a time; a call takes 0.5 to 1.5 times the mean latency."""

    def __init__(self, slots: int, latency: float, rounds: int) -> None:
        self.slots, self.latency, self.rounds = slots, latency, rounds
        self.calls = 0
        self.busy_seconds = 0.0
        self._running = 0
        self._changed = time.monotonic()
        self._free = asyncio.Semaphore(slots)
        self._random = random.Random(0)

    async def __call__(self, text: str) -> str:
        """Wait for a free slot, then for the duration of the call, and answer `text`."""
        async with self._free:
            self._count(+1)
            await asyncio.sleep(self.latency * self._random.uniform(0.5, 1.5))
            self._count(-1)
        self.calls += 1
        return text

    def _count(self, change: int) -> None:
        now = time.monotonic()
        self.busy_seconds += self._running * (now - self._changed)
        self._running, self._changed = self._running + change, now


@dataclass
class Intake:
    """Hands out problems, and measures how busy the engine was from its warm-up until the last problem was taken."""

    engine: Engine
    count: int
    share: float = 0.0

    def __iter__(self) -> Iterator[Problem]:
        start = (0.0, 0.0)
        for index in range(self.count):
            now = (time.monotonic(), self.engine.busy_seconds)
            if index == 2 * self.engine.slots:  # the first calls all started together; by now they are spread
                start = now
            elif start[0] and now[0] > start[0]:
                self.share = (now[1] - start[1]) / (now[0] - start[0]) / self.engine.slots
            yield Problem(id=f"p{index}", question=f"What is the sum of 1 to 10? ({index})", answer="55")


class EngineModel(BaseChatModel):
    """The engine as a LangChain chat model."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    engine: Engine
    model: str = "simulated"
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    @property
    def _llm_type(self) -> str:
        return "simulated"

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        is_critic = "Check the response" in messages[-1].text
        text = await self.engine(CRITIQUE if is_critic else RESPONSE)
        message = AIMessage(
            text,
            usage_metadata={"input_tokens": 400, "output_tokens": 250, "total_tokens": 650},
            response_metadata={"finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("the simulated engine is asynchronous only.")


async def plain(engine: Engine, problems: Intake, in_flight: int) -> None:
    """Do the work in a plain coroutine."""

    async def play(problem: Problem) -> None:
        texts = [problem.question]
        for index in range(1 + 2 * engine.rounds):
            texts.append(await engine(CRITIQUE if index % 2 else RESPONSE))

    await work_off(problems, play, in_flight)


class BareState(TypedDict):
    """State of the bare graph: the texts so far."""

    texts: list[str]


def loop_graph(state: type[Any], nodes: Sequence[Any], after_refine: Callable[..., Awaitable[str]]) -> Any:
    """Compile the loop of the functions `solve`, `critique`, `refine` and `vote`."""

    async def after_critique(state: Any) -> str:
        return "refine"

    builder = StateGraph(state)
    for node in nodes:
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "solve")
    builder.add_edge("solve", "critique")
    builder.add_conditional_edges("critique", after_critique, ["refine", "vote"])
    builder.add_conditional_edges("refine", after_refine, ["critique", "vote"])
    builder.add_edge("vote", END)
    return builder.compile()


async def bare(engine: Engine, problems: Intake, in_flight: int) -> None:
    """Do the work in a LangGraph with the same nodes, which only call the engine."""

    async def write(state: BareState, text: str) -> BareState:
        return {"texts": [*state["texts"], await engine(text)]}

    async def solve(state: BareState) -> BareState:
        return await write(state, RESPONSE)

    async def critique(state: BareState) -> BareState:
        return await write(state, CRITIQUE)

    async def refine(state: BareState) -> BareState:
        return await write(state, RESPONSE)

    async def vote(state: BareState) -> BareState:
        return state

    async def after_refine(state: BareState) -> str:
        return "critique" if len(state["texts"]) < 2 + 2 * engine.rounds else "vote"

    graph = loop_graph(BareState, (solve, critique, refine, vote), after_refine)

    async def play(problem: Problem) -> None:
        await graph.ainvoke({"texts": [problem.question]}, {"recursion_limit": 256})

    await work_off(problems, play, in_flight)


async def ours(engine: Engine, problems: Intake, in_flight: int) -> None:
    """Do the work as this package runs it, journal included."""
    model = EngineModel(engine=engine)
    with tempfile.TemporaryDirectory() as folder:
        found = await run_graph(
            lambda journal: create_actor_critic(
                model, model, rounds=engine.rounds, gate="always", log=journal
            ).compile(),
            ProblemSet(lambda: problems, None),
            Path(folder),
            {},
            summarise,
            prompts=prompts_hash(loop_prompts()),
            concurrency=in_flight,
        )
        assert found.done == found.flips.right_to_right == problems.count, found


async def work_off(problems: Intake, play: Callable[[Problem], Awaitable[None]], in_flight: int) -> None:
    """Play problems, at most `in_flight` at once."""
    waiting = iter(problems)

    async def work() -> None:
        for problem in waiting:
            await play(problem)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())


@dataclass
class Cost:
    """What one driver took in one trial."""

    share: float
    """Of the engine's slots, those that were busy."""
    cpu: float
    """Milliseconds a call."""
    core: float
    wall: float


DRIVERS: dict[str, Callable[[Engine, Intake, int], Awaitable[None]]] = {"plain": plain, "bare": bare, "ours": ours}


async def measure(name: str, slots: int, latency: float, problems: int, rounds: int) -> Cost:
    """Run one driver."""
    engine = Engine(slots, latency, rounds)
    intake = Intake(engine, problems)
    wall, cpu = time.monotonic(), time.process_time()
    await DRIVERS[name](engine, intake, slots * 5 // 4)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    assert engine.calls == (1 + 2 * rounds) * problems, engine.calls
    return Cost(intake.share, 1000 * cpu / engine.calls, cpu / wall, wall)


def line(name: str, rounds: int, costs: list[Cost], bare: list[Cost]) -> str:
    """Give a line of the table: medians over the trials."""
    share, cpu, core, wall = (median(getattr(c, field) for c in costs) for field in ("share", "cpu", "core", "wall"))
    ratios = [cost.cpu / other.cpu for cost, other in zip(costs, bare, strict=False)]
    times = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
    return f"{rounds:>6} {name:<6} {share:>10.1%} {cpu:>12.2f} {times:>22} {core:>9.1%} {wall:>8.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--latency", type=float, default=2.0, help="mean seconds of a call; 0: saturated")
    parser.add_argument("--problems", type=int, default=1500, help="problems of two rounds; of others, as many calls")
    parser.add_argument("--rounds", type=int, nargs="+", default=[2])
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--only", choices=[*DRIVERS], help="one driver")
    parser.add_argument("--profile", action="store_true", help="print where the CPU time goes")
    options = parser.parse_args()
    demand = f"{options.slots / options.latency:.0f} calls/s" if options.latency else "all that is possible"
    print(f"{options.slots} slots, {options.latency} s mean, demand {demand}, load {os.getloadavg()[0]:.1f}")
    print(f"rounds {'':<6} {'slots busy':>10} {'CPU ms/call':>12} {'of bare':>22} {'of a core':>9} {'wall s':>8}")
    profile = cProfile.Profile()
    names = [options.only] if options.only else [*DRIVERS]
    trials: dict[tuple[int, str], list[Cost]] = {(r, name): [] for r in options.rounds for name in names}
    for _ in range(options.trials):
        for rounds, name in trials:
            problems = max(3 * options.slots, options.problems * 5 // (1 + 2 * rounds))
            if options.profile:
                profile.enable()
            cost = asyncio.run(measure(name, options.slots, options.latency, problems, rounds))
            trials[rounds, name].append(cost)
    for (rounds, name), costs in trials.items():
        print(line(name, rounds, costs, trials.get((rounds, "bare"), [])), flush=True)
    if options.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
