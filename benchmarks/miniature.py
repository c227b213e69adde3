"""Prints what `miniature eval` measures, for one or several pairs, as a Markdown table with a column for each pair.

    python benchmarks/miniature.py [ACTOR CRITIC]... [-n 1000] [--seed 27182] [--samples 16]

ACTOR and CRITIC are model strings, e.g. `hf:OUT/actor hf:OUT/critic`; the default is the shipped pair. Every rate has
its 95 % interval and its n. `critique-graph miniature eval` prints the same figures for one pair.
"""

import argparse
import asyncio
import logging
import sys

from critique_graph.core.errors import CritiqueGraphError
from critique_graph.miniature_training.evaluate import evaluate_pair
from critique_graph.miniature_training.report import evaluation_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="ACTOR CRITIC", default=["miniature:actor", "miniature:critic"])
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=27182)
    parser.add_argument("--samples", type=int, default=16)
    given = parser.parse_args()
    if len(given.models) % 2:
        parser.error("an actor and a critic make a pair: give an even number of models")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    pairs = list(zip(given.models[::2], given.models[1::2], strict=True))
    try:
        evaluations = [
            asyncio.run(evaluate_pair(actor, critic, n=given.n, seed=given.seed, samples=given.samples))
            for actor, critic in pairs
        ]
    except CritiqueGraphError as error:
        sys.exit(f"error: {error}")
    columns = [dict(evaluation_rows(evaluation)) for evaluation in evaluations]
    print("| |" + "".join(f" {actor}, {critic} |" for actor, critic in pairs))
    print("|---|" + "---|" * len(pairs))
    for name in dict.fromkeys(name for column in columns for name in column):
        indent = "&emsp;" if name.startswith(" ") else ""
        print(f"| {indent}{name.strip()} |" + "".join(f" {column.get(name, '-')} |" for column in columns))


if __name__ == "__main__":
    main()
