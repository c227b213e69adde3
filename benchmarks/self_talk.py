"""One model that checks itself against two: self-talk, trajectory self-correction, the two-player loop.

    python benchmarks/self_talk.py SELF_TALK SELF_CORRECTION PLAIN [-n 400] [--seed 27183] [--samples 8] [--out FOLDER]

The arguments are model strings, e.g. `hf:models/self-talk`: one trained with `critique-graph train self-talk`, one with
`train self-correction`, one with `train actor`, all on the same data of `critique-graph self-talk` and from the same
actor. They solve fresh test problems alone (`run --rounds 0`); beside them the actor they began with, alone and for one
round with its critic. Once greedily (accuracy), once with several samples at temperature 0.7 (pass@k, maj@k).

maj@k is the loop's own majority vote: answers grouped by equivalence, ties drawn by seed. pass@k of k samples: one is
right. Rates have Wilson's 95 % interval, differences are paired. Tokens are those of prompts and responses, all roles
together: nothing matches the arms' compute. With --out, the same command goes on where it stopped.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from critique_graph.errors import CritiqueGraphError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.intervals import Rate, paired_difference, wilson
from critique_graph.models import load_model
from critique_graph.nodes.paths import is_right
from critique_graph.problems import load_problems
from critique_graph.prompts import loop_prompts, prompts_hash
from critique_graph.run import run_problems
from critique_graph.run_folder import open_run
from critique_graph.schema import Problem, Trace
from critique_graph.summary_table import percent
from critique_graph.traces import read_traces

TEMPERATURE = 0.7
ACTOR, CRITIC = "miniature:actor", "miniature:critic"
_SAYS_WRONG = re.compile(r"\bWrong\b")


class Arm(NamedTuple):
    """One way to answer."""

    name: str
    actor: str
    rounds: int


def played(arm: Arm, problems: list[Problem], samples: int, seed: int, folder: Path) -> list[Trace]:
    """Run an arm, or go on with it; gives the traces in order."""
    recorded: dict[str, JsonValue] = {
        "problems": "miniature",
        "actor": arm.actor,
        "critic": CRITIC,
        "rounds": arm.rounds,
        "samples": samples,
        "seed": seed,
    }
    with open_run(folder, recorded | {"limit": len(problems)}, prompts=prompts_hash(loop_prompts())) as run:
        graph = create_actor_critic(
            load_model(arm.actor),
            load_model(CRITIC),
            samples=samples,
            rounds=arm.rounds,
            temperature=None if samples == 1 else TEMPERATURE,
            seed=seed,
            log=run.journal,
        ).compile(name="actor_critic")
        asyncio.run(run_problems(graph, problems, run, settings=recorded, total=len(problems)))
    return list(read_traces(folder))


def tokens(traces: list[Trace]) -> str:
    """Give the tokens of a problem, on average."""
    return f"{sum(trace.usage['total'].total_tokens for trace in traces) / len(traces):,.0f}"


def share(rights: Iterable[bool]) -> Rate:
    """Give how many are right."""
    found = list(rights)
    return wilson(sum(found), len(found))


def first_text(trace: Trace) -> str:
    """Give what the actor wrote at first."""
    return trace.chains[0].response.text if trace.chains[0].response else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("self_talk", "self_correction", "plain"):
        parser.add_argument(name)
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=27183)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    arms = [
        Arm("actor and critic, one round", ACTOR, 1),
        Arm("self-talk", given.self_talk, 0),
        Arm("self-correction", given.self_correction, 0),
        Arm("actor trained on the same paths", given.plain, 0),
        Arm("actor", ACTOR, 0),
    ]
    problems, k = list(load_problems("miniature", limit=given.n, seed=given.seed)), given.samples
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        try:
            greedy = [played(arm, problems, 1, given.seed, out / f"{number}-greedy") for number, arm in enumerate(arms)]
            sampled = [played(arm, problems, k, given.seed, out / f"{number}-{k}") for number, arm in enumerate(arms)]
        except CritiqueGraphError as error:
            sys.exit(f"error: {error}")
    print(f"{given.n} test problems of the miniature, seed {given.seed}; {k} samples at temperature {TEMPERATURE}\n")
    print(f"| | accuracy, greedy | 5 steps and more | tokens | one sample | pass@{k} | maj@{k} | tokens |")
    print("|---|---|---|---|---|---|---|---|")
    for arm, once, often in zip(arms, greedy, sampled, strict=True):
        long = share(bool(trace.correct) for trace in once if (trace.problem.level or 0) >= 5)
        rights = [[chain.latest is not None and is_right(chain.latest) for chain in trace.chains] for trace in often]
        cells = [
            percent(share(bool(trace.correct) for trace in once)),
            f"{percent(long)} (n = {long.n})",
            tokens(once),
            f"{100 * sum(map(sum, rights)) / (k * given.n):.1f} %",
            percent(share(map(any, rights))),
            percent(share(bool(trace.correct) for trace in often)),
            tokens(often),
        ]
        print(f"| {arm.name} | {' | '.join(cells)} |")
    print(f"\nDifferences, n = {given.n}: greedy accuracy, and maj@{k}\n")
    for before, after in ((1, 0), (2, 1), (2, 0), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3)):
        differences = [
            paired_difference(
                [bool(trace.correct) for trace in kind[before]], [bool(trace.correct) for trace in kind[after]]
            )
            for kind in (greedy, sampled)
        ]
        figures = "; ".join(percent(difference, sign="+", unit="points") for difference in differences)
        print(f"- {arms[after].name} over {arms[before].name}: {figures}")
    print("\nGreedy responses in which something is called wrong, and how many of these end right:\n")
    for arm, once in zip(arms[1:3], greedy[1:3], strict=True):
        called = [bool(trace.correct) for trace in once if _SAYS_WRONG.search(first_text(trace))]
        others = [bool(trace.correct) for trace in once if not _SAYS_WRONG.search(first_text(trace))]
        print(f"- {arm.name}: {sum(called)} of {len(called)} right; of the others {sum(others)} of {len(others)}")


if __name__ == "__main__":
    main()
