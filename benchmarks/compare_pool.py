"""Measures what `compare` takes on a saved pool: CPU seconds and memory, and what Maj@k takes for large pools.

    python benchmarks/compare_pool.py                        # 1,000 problems, 64 chains each
    python benchmarks/compare_pool.py --problems 200 --maj 1000

The pool is made up: every problem has an accuracy of its own, wrong answers that differ in frequency, and a critic that
is right in 80 % of the cases; each chain is critiqued and refined once. It is written as the folder of a run, which a
process of its own compares, so that its memory is that of comparing.
"""

import argparse
import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from pydantic import JsonValue

from critique_graph.compare.pool import compare_run
from critique_graph.core.schema import Problem
from critique_graph.metrics.majority import chances_of_votes
from critique_graph.runs.folder import open_run
from critique_graph.runs.outcomes import Outcome

TEXT = "First we add the two numbers, then we take away what was given back. " * 8
RIGHT = "right"
SETTINGS: dict[str, JsonValue] = {"actor": "m", "critic": "m", "gate": "always", "rounds": 1, "seed": 0}


def call(started: float, tokens: int) -> dict[str, Any]:
    """Give a call as JSON."""
    usage = {"calls": 1, "input_tokens": tokens, "output_tokens": tokens}
    return {"model": "m", "seed": 1, "finish_reason": "stop", "usage": usage, "started": started, "seconds": 2.0}


def response(answer: int, started: float) -> dict[str, Any]:
    """Give a response as JSON; 0 is the correct answer."""
    grade = {"outcome": "incorrect" if answer else "correct", "reason": "exact"}
    return {"text": f"{TEXT}The answer is {answer}.", "answer": str(answer), "call": call(started, 200), "grade": grade}


def trace(index: int, chains: int, rng: random.Random) -> dict[str, Any]:
    """Give the trace of one problem as JSON."""
    share, other = rng.random(), rng.uniform(0.5, 3.0)

    def answer(bonus: float = 0.0) -> int:
        return 0 if rng.random() < share + bonus else 1 + int(rng.expovariate(1 / other))

    def chain(number: int) -> dict[str, Any]:
        begun, first = 1000.0 * index + number, answer()
        is_right = (first == 0) == (rng.random() < 0.8)
        steps = [{"text": TEXT[:70], "verdict": "correct", "explanation": "The sum is right.", "step_index": 0}] * 5
        critique = {"text": TEXT, "steps": steps, "final": "correct" if is_right else "wrong", "quality": "nominal"}
        turn = {"critique": critique, "call": call(begun + 2, 300), "refinement": response(answer(0.1), begun + 4)}
        return {"index": number, "response": response(first, begun), "rounds": [turn], "stop": "rounds"}

    ballot = {"rule": "majority", "entries": []}
    return {
        "schema": "critique-graph.trace/1",
        "problem": {"id": f"p{index}", "question": "?", "answer": "0"},
        "graph": "pool",
        "settings": SETTINGS,
        "chains": [chain(number) for number in range(chains)],
        "ballot": ballot,
        "answer": "0",
        "correct": True,
        "usage": {},
        "seconds": 1.0,
    }


async def write_pool(folder: Path, problems: int, chains: int) -> None:
    """Write the folder of a run."""
    rng = random.Random(0)
    with open_run(folder, {**SETTINGS, "samples": chains}, prompts="") as run:
        for index in range(problems):
            problem = Problem(id=f"p{index}", question="?", answer="0")
            with run.journal.problem(problem, index):
                made = orjson.dumps(trace(index, chains, rng))
                await run.journal.settle(problem, Outcome("done"), made)
        run.write_traces()
        run.write_manifest("complete")


def compare_alone(folder: Path) -> None:
    """Compare the run in this process, and print CPU seconds and megabytes."""
    before, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = compare_run(folder)
    cpu, most = time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loop = found.strategies["critic_loop_vote"].accuracy.value
    print(f"compare: {cpu:.2f} s CPU, {(most - before) / 1024:.0f} MB more than {before / 1024:.0f}; vote {loop:.4f}")


def maj(n: int) -> None:
    """Print what Maj@k takes for all k, for votes with a close race and many different answers."""
    rng = random.Random(0)
    votes = [RIGHT] * (2 * n // 5) + [1] * (3 * n // 10) + [rng.randint(2, 30) for _ in range(n - 7 * n // 10)]
    for name, ks in (
        ("all k", list(range(1, n + 1))),
        ("k = 1, 2, 4 and so on", [2**i for i in range(10) if 2**i < n]),
    ):
        cpu = time.process_time()
        found = chances_of_votes(votes, RIGHT, ks)
        cpu = time.process_time() - cpu
        print(f"maj@k of {n} votes, {name}: {cpu:.3f} s CPU, error at most {max(each.error for each in found):.4f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=64)
    parser.add_argument("--maj", type=int, default=1000, help="votes of the problem whose Maj@k is computed")
    parser.add_argument("--folder", type=Path, help="compare the run in this folder, and nothing else")
    options = parser.parse_args()
    if options.folder is not None:
        compare_alone(options.folder)
        return
    print(f"{options.problems} problems, {options.chains} chains each, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(write_pool(Path(folder), options.problems, options.chains))
        subprocess.run([sys.executable, __file__, "--folder", folder], check=True)  # noqa: S603 - this file
    maj(options.maj)


if __name__ == "__main__":
    main()
