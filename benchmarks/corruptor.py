"""Measures into how many steps of real text the exact corruptor can insert an error, and whether it is one.

    python benchmarks/corruptor.py DATA [--samples 500] [--seed 0]

DATA is a folder with `processbench/gsm8k.json`, `math/math500.jsonl` and `recorded/realcritic_gsm8k.jsonl`.

The rule: a step counts as corruptible if `ExactCorruptor.places` gives it for all nine types of error, with the steps
before it. Steps are those of the data set (ProcessBench), or `reasoning_steps` of the text. A step has arithmetic if it
holds a sign `=` and two numbers. A problem counts if one of its steps does.

Then errors are drawn from random corruptible steps, with the types in random order, and the project's grader compares
the right sides of the equation before and after: an error is really one if the grader calls them unequal, and, where
only the right side was changed, because the equation was true before.
"""

import argparse
import asyncio
import json
import random
import re
from collections import Counter
from pathlib import Path

from table import Line, print_lines

from critique_graph.calls.caller import CallKey
from critique_graph.core.paths import ErrorType
from critique_graph.core.prompts import DEFINITIONS
from critique_graph.grading.grader import MathGrader
from critique_graph.nodes.corruptors import Corrupted, ExactCorruptor
from critique_graph.nodes.paths import reasoning_steps

Text = tuple[str, list[str]]
TYPES: tuple[ErrorType, ...] = tuple(DEFINITIONS)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BOX = re.compile(r"\\boxed\{(.+)\}", re.DOTALL)
_CHANGE = re.compile(r"`(.+)` was made `(.+)`", re.DOTALL)


def read_texts(data: Path) -> dict[str, list[Text]]:
    """Give each set's questions with the steps of a text about them."""
    bench = json.loads((data / "processbench/gsm8k.json").read_text("utf-8"))
    math = map(json.loads, (data / "math/math500.jsonl").read_text("utf-8").splitlines())
    recorded = map(json.loads, (data / "recorded/realcritic_gsm8k.jsonl").read_text("utf-8").splitlines())
    return {
        "ProcessBench, GSM8K responses": [(row["problem"], row["steps"]) for row in bench],
        "MATH-500, solutions": [(row["problem"], reasoning_steps(row["solution"])) for row in math],
        "RealCritic, GSM8K responses": [(row["question"], reasoning_steps(row["reasoning"])) for row in recorded],
    }


def has_arithmetic(step: str) -> bool:
    """Apply the rule of the docstring."""
    return "=" in step and len(_NUMBER.findall(step)) >= 2


def coverage(texts: list[Text]) -> tuple[Counter[str], list[tuple[Text, int]]]:
    """Count steps and problems, and give the places that can be corrupted."""
    counts, places = Counter[str](), list[tuple[Text, int]]()
    for question, steps in texts:
        found = ExactCorruptor(0).places(question, steps, TYPES)
        counts["problems"] += 1
        counts["problems, corruptible"] += bool(found)
        counts["steps"] += len(steps)
        counts["steps, corruptible"] += len(found)
        counts["with arithmetic"] += sum(map(has_arithmetic, steps))
        counts["with arithmetic, corruptible"] += sum(has_arithmetic(steps[index]) for index in found)
        places += [((question, steps), index) for index in found]
    return counts, places


async def count_errors(places: list[tuple[Text, int]], samples: int, seed: int) -> Counter[str]:
    """Insert errors in places drawn at random, and grade each."""
    rng, grader, counts = random.Random(seed), MathGrader(), Counter[str]()
    for number in range(samples):
        (question, steps), index = rng.choice(places)
        types = rng.sample(TYPES, k=len(TYPES))
        changed = await ExactCorruptor(seed)(question, steps, index, types, CallKey("p", "corruptor", str(number), 0))
        assert isinstance(changed, Corrupted)
        counts[changed.type] += 1
        found = _CHANGE.fullmatch(changed.description)
        assert found is not None
        before, after = (side.rpartition("=")[2].strip(" &\n") for side in found.groups())
        before, after = (_BOX.sub(r"\1", side) for side in (before, after))
        grade = await grader.grade(after, before)
        counts[f"graded {grade.outcome}"] += 1
        if grade.outcome != "incorrect":
            print(f"{grade.outcome}: {changed.description}")
    return counts


def main() -> int:
    """Print the tables; the exit code is the number of lines that are not as they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("| set | problems | steps | steps with arithmetic |\n|---|---|---|---|")
    all_places: list[tuple[Text, int]] = []
    for name, texts in read_texts(asked.data).items():
        counts, places = coverage(texts)
        all_places += places
        shares = (f"{counts[f'{of}, corruptible']} of {counts[of]}" for of in ("problems", "steps", "with arithmetic"))
        print(f"| {name} | {' | '.join(shares)} |")
    errors = asyncio.run(count_errors(all_places, asked.samples, asked.seed))
    wrong = errors["graded incorrect"]
    print()
    return print_lines(
        [
            Line("errors that the grader calls wrong", f"{wrong} of {asked.samples}", wrong == asked.samples),
            *(Line(error_type, str(errors[error_type]), True) for error_type in TYPES if errors[error_type]),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
