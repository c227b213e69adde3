"""Measures whether a driver keeps an engine busy: plain asyncio, bare LangGraph and our graph on a simulated engine.

    python benchmarks/engine.py                                            # 256 slots, 2 s a call, about 3 minutes
    python benchmarks/engine.py --slots 64 --latency 0.5 --problems 300    # half a minute

All three do the same work: solve, then two rounds of critique and refinement (5 calls, one after the other), with 1.25
problems in flight per slot. Our graph includes everything: chat models, prompts, critique parsing, grading, and the
journal. "Slots busy" is measured while new problems still start; CPU is that of this process, with the engine's own
cost.
"""

import argparse
import asyncio
import cProfile
import pstats
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
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

ROUNDS = 2
CALLS = 1 + 2 * ROUNDS
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

    def __init__(self, slots: int, latency: float) -> None:
        self.slots, self.latency = slots, latency
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
        for index in range(CALLS):
            texts.append(await engine(CRITIQUE if index % 2 else RESPONSE))

    await _work_off(problems, play, in_flight)


class BareState(TypedDict):
    """State of the bare graph: the texts so far."""

    texts: list[str]


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

    async def after_critique(state: BareState) -> str:
        return "refine"

    async def after_refine(state: BareState) -> str:
        return "critique" if len(state["texts"]) < CALLS + 1 else "vote"

    builder = StateGraph(BareState)
    builder.add_node("solve", solve)
    builder.add_node("critique", critique)
    builder.add_node("refine", refine)
    builder.add_node("vote", vote)
    builder.add_edge(START, "solve")
    builder.add_edge("solve", "critique")
    builder.add_conditional_edges("critique", after_critique, ["refine", "vote"])
    builder.add_conditional_edges("refine", after_refine, ["critique", "vote"])
    builder.add_edge("vote", END)
    graph = builder.compile()

    async def play(problem: Problem) -> None:
        await graph.ainvoke({"texts": [problem.question]})

    await _work_off(problems, play, in_flight)


async def ours(engine: Engine, problems: Intake, in_flight: int) -> None:
    """Do the work as this package runs it, journal included."""
    model = EngineModel(engine=engine)
    with tempfile.TemporaryDirectory() as folder:
        found = await run_graph(
            lambda journal: create_actor_critic(model, model, rounds=ROUNDS, gate="always", log=journal).compile(),
            ProblemSet(lambda: problems, None),
            Path(folder),
            {},
            summarise,
            prompts=prompts_hash(loop_prompts()),
            concurrency=in_flight,
        )
        assert found.done == found.flips.right_to_right == problems.count, found


async def _work_off(problems: Intake, play: Callable[[Problem], Awaitable[None]], in_flight: int) -> None:
    waiting = iter(problems)

    async def work() -> None:
        for problem in waiting:
            await play(problem)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())


async def measure(name: str, options: argparse.Namespace) -> str:
    """Run one driver and give its line of the table."""
    engine = Engine(options.slots, options.latency)
    problems = Intake(engine, options.problems)
    drive = {"plain": plain, "bare": bare, "ours": ours}[name]
    wall, cpu = time.monotonic(), time.process_time()
    await drive(engine, problems, options.slots * 5 // 4)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    assert engine.calls == CALLS * options.problems, engine.calls
    return f"{name:<6} {problems.share:>10.1%} {1000 * cpu / engine.calls:>12.2f} {cpu / wall:>9.1%} {wall:>8.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--latency", type=float, default=2.0, help="mean seconds of a call")
    parser.add_argument("--problems", type=int, default=1500)
    parser.add_argument("--only", choices=["plain", "bare", "ours"], help="one driver")
    parser.add_argument("--profile", action="store_true", help="print where the CPU time goes")
    options = parser.parse_args()
    demand = options.slots / options.latency
    print(f"{options.slots} slots, {options.latency} s mean, demand {demand:.0f} calls/s, {options.problems} problems")
    print(f"{'':<6} {'slots busy':>10} {'CPU ms/call':>12} {'of a core':>9} {'wall s':>8}")
    profile = cProfile.Profile()
    for name in [options.only] if options.only else ["plain", "bare", "ours"]:
        if options.profile:
            profile.enable()
        print(asyncio.run(measure(name, options)), flush=True)
    if options.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
