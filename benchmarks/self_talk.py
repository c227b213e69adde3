"""Compares one model that checks itself (by self-talk, or by self-correction of whole answers) with two players.

    python benchmarks/self_talk.py NAME=MODEL... [-n 400] [--seed 27183] [--samples 8] [--out FOLDER]

MODEL is a model string, e.g. `self-talk=hf:models/self-talk`, of a model that `critique-graph train self-talk`,
`self-correction` or `actor` made from the shipped actor, on data of `critique-graph self-talk`. These models solve new
test problems alone (`run --rounds 0`). The shipped actor solves them alone, and in one round with the shipped critic.
Every arm answers once greedily (accuracy) and with several samples at temperature 0.7 (pass@k, maj@k).

maj@k is the loop's own majority vote: answers are grouped by equivalence, and ties are drawn by seed. pass@k of k
samples says whether one of them is correct. Rates have Wilson's 95 % interval, differences are paired. Tokens are those
of prompts and responses, for all roles together: the compute of the arms is not matched. With --out, the same command
again resumes.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from critique_graph.core.errors import CritiqueGraphError
from critique_graph.core.schema import Problem, Trace
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.models.load import load_model
from critique_graph.problems.load import load_problems
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import summarise

TEMPERATURE = 0.7
ACTOR, CRITIC = "miniature:actor", "miniature:critic"
_SAYS_WRONG = re.compile(r"\bWrong\b")


class Arm(NamedTuple):
    """One way to answer."""

    name: str
    actor: str
    rounds: int


def played(arm: Arm, problems: list[Problem], samples: int, seed: int, folder: Path) -> list[Trace]:
    """Run an arm, or resume it; gives the traces in order."""
    recorded: dict[str, JsonValue] = {
        "problems": "miniature",
        "actor": arm.actor,
        "critic": CRITIC,
        "rounds": arm.rounds,
        "samples": samples,
        "seed": seed,
    }
    asyncio.run(
        run_graph(
            lambda journal: create_actor_critic(
                load_model(arm.actor),
                load_model(CRITIC),
                samples=samples,
                rounds=arm.rounds,
                temperature=None if samples == 1 else TEMPERATURE,
                seed=seed,
                log=journal,
            ).compile(name="actor_critic"),
            ProblemSet.of(problems),
            folder,
            recorded | {"limit": len(problems)},
            summarise,
            prompts=prompts_hash(loop_prompts()),
        )
    )
    return list(read_traces(folder))


def tokens(traces: list[Trace]) -> str:
    """Give the mean number of tokens per problem."""
    return f"{sum(trace.usage['total'].total_tokens for trace in traces) / len(traces):,.0f}"


def rights(traces: Iterable[Trace]) -> list[bool]:
    """Give for every trace whether its answer is correct."""
    return [bool(trace.correct) for trace in traces]


def share(found: Sequence[bool]) -> Rate:
    """Give the share of correct answers."""
    return wilson(sum(found), len(found))


def first_text(trace: Trace) -> str:
    """Give the first response of the actor."""
    return trace.chains[0].response.text if trace.chains[0].response else ""


def read_arms(named: list[str]) -> list[Arm]:
    """Give the arms: the two of the shipped pair, and the named ones."""
    pairs = [text.partition("=") for text in named]
    return [
        Arm("actor and critic", ACTOR, 1),
        *(Arm(name, model, 0) for name, _, model in pairs),
        Arm("actor", ACTOR, 0),
    ]


def print_rates(arms: list[Arm], greedy: list[list[Trace]], sampled: list[list[Trace]], k: int) -> None:
    """Print a row of figures for each arm."""
    print(f"| | accuracy, greedy | 5 steps and more | tokens | pass@{k} | maj@{k} | tokens |")
    print("|---|---|---|---|---|---|---|")
    for arm, once, often in zip(arms, greedy, sampled, strict=True):
        long = share(rights(trace for trace in once if (trace.problem.level or 0) >= 5))
        passed = [any(chain.latest.is_correct for chain in trace.chains if chain.latest) for trace in often]
        cells = [
            share(rights(once)).percent(),
            f"{long.percent()} (n = {long.n})",
            tokens(once),
            share(passed).percent(),
            share(rights(often)).percent(),
            tokens(often),
        ]
        print(f"| {arm.name} | {' | '.join(cells)} |")


def print_differences(arms: list[Arm], greedy: list[list[Trace]], sampled: list[list[Trace]], k: int) -> None:
    """Print how the arms differ on the same problems."""
    print(f"\n| difference | accuracy, greedy | maj@{k} |\n|---|---|---|")
    for first, second in combinations(range(len(arms)), 2):
        differences = (paired_difference(rights(kind[second]), rights(kind[first])) for kind in (greedy, sampled))
        figures = " | ".join(difference.percent(sign="+", unit="points") for difference in differences)
        print(f"| {arms[first].name} over {arms[second].name} | {figures} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=27183)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    arms, k = read_arms(given.models), given.samples
    problems = list(load_problems("miniature", limit=given.n, seed=given.seed))
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        try:
            greedy, sampled = (
                [played(arm, problems, count, given.seed, out / f"{arm.name}-{count}") for arm in arms]
                for count in (1, k)
            )
        except CritiqueGraphError as error:
            sys.exit(f"error: {error}")
    print(f"{given.n} test problems of the miniature, seed {given.seed}; {k} samples at temperature {TEMPERATURE}\n")
    print_rates(arms, greedy, sampled, k)
    print_differences(arms, greedy, sampled, k)
    print("\nGreedy responses in which something is called wrong, and how many of them have a correct answer:\n")
    for arm, once in list(zip(arms, greedy, strict=True))[1:-1]:
        called = rights(trace for trace in once if _SAYS_WRONG.search(first_text(trace)))
        others = rights(trace for trace in once if not _SAYS_WRONG.search(first_text(trace)))
        print(f"- {arm.name}: {sum(called)} of {len(called)} correct; of the others {sum(others)} of {len(others)}")


if __name__ == "__main__":
    main()
