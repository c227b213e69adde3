"""Measures the memory of a driver while it works on many problems: it must not grow with their number.

    python benchmarks/memory.py [--problems 100000]

The problems are made on the way, and the engine answers at once (`engine.py`): one round, 20 problems in flight, with
the journal. Memory is what the process has resident after a hundredth, a tenth and all of the problems, and its peak at
the end, when the run has been summarised.
"""

import argparse
import asyncio
import gc
import resource
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine import Engine, EngineModel

from critique_graph.core.schema import Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.progress import Progress
from critique_graph.solve.summary import summarise

ROUNDS, IN_FLIGHT = 1, 20


class Watch(Progress):
    """Prints what memory the process has after some numbers of problems."""

    def __init__(self, marks: set[int]) -> None:
        super().__init__(quiet=True)
        self._marks = marks

    def update(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """Count a problem that ended."""
        super().update(outcome, result)
        if self.ended in self._marks:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(f"{self.ended:>7,} problems: {pages * resource.getpagesize() / 1e6:.1f} MB", flush=True)


async def work(count: int) -> None:
    """Run the problems."""
    model = EngineModel(engine=Engine(IN_FLIGHT, 0.0, ROUNDS))

    def problems() -> Iterator[Problem]:
        return (Problem(id=f"p{n}", question=f"What is the sum of 1 to 10? ({n})", answer="55") for n in range(count))

    with tempfile.TemporaryDirectory() as folder:
        found = await run_graph(
            lambda journal: create_actor_critic(model, model, rounds=ROUNDS, gate="always", log=journal).compile(),
            ProblemSet(problems, None),
            Path(folder),
            {},
            summarise,
            prompts=prompts_hash(loop_prompts()),
            concurrency=IN_FLIGHT,
            progress=Watch({count // 1000, count // 100, count // 10, count}),
        )
    assert found.done == count, found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=100_000)
    asyncio.run(work(parser.parse_args().problems))
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
