"""Measures the Monte-Carlo filter on the miniature: whether the critiques that it keeps help, and whether they teach.

    python benchmarks/filter.py [--problems 400] [--misread 0.5] [--fresh 16] [--seeds 3] [-n 400] [--out FOLDER]

`generate` makes the data with an annotator that misreads a number of the problem in a share of the responses and then
uses that number: the kind of error that no check of the format finds. Then

1. every critique of a wrong response that the filter decided about is tried again: equally many fresh refinements with
   and without the critique, with seeds that the filter did not use;
2. the shipped actor is trained into a critic on equally many rows of three pools: kept critiques; critiques that agree
   with all that is known before the filter; all readable critiques. Every pool has the same share of correct responses.
   The critics judge the same fresh answers of the actor to test problems.

Intervals are 95 %, from resampled problems (1) or paired answers (2). Seeds differ in the drawn rows and their order.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from langchain_core.language_models import BaseChatModel
from transformers import AutoModelForCausalLM

from critique_graph.core.critique import parse_critique
from critique_graph.core.paths import ReasoningPath
from critique_graph.engines.pretrained import load_tokenizer, load_weights
from critique_graph.generate.funnel import PathsTrace, read_paths_traces
from critique_graph.generate.make import generate_data
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.miniature import weights_path
from critique_graph.miniature.annotator import ExactAnnotator, read_exercise
from critique_graph.miniature.solutions import boxed_answer, slip
from critique_graph.miniature.task import Exercise, generate_exercises
from critique_graph.models.load import load_model
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.runs.folder import JOURNAL
from critique_graph.runs.journal import read_journal
from critique_graph.trainers.rows import TrainingRow, row
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.trainer import SFTSettings

TEMPERATURE, MAX_TOKENS, RESAMPLES = 0.7, 1024, 2000
TRAINING = SFTSettings(learning_rate=1e-3, epochs=6, use_cpu=True)


class MisreadingAnnotator(ExactAnnotator):
    """The exact annotator, which misreads one number of the problem for a share of the responses."""

    share: float

    def read(self, question: str, response: str) -> Exercise | None:
        exercise, rng = read_exercise(question), random.Random(f"{question}/{response}")
        return exercise if exercise is None or rng.random() >= self.share else misread(exercise, rng)


def misread(exercise: Exercise, rng: random.Random) -> Exercise:
    """Change a number of one operation."""
    numbers = [i for i, operation in enumerate(exercise.operations) if isinstance(operation.right, int)]
    place = rng.choice(numbers)
    operations = list(exercise.operations)
    right = operations[place].right
    assert isinstance(right, int)
    operations[place] = replace(operations[place], right=max(1, slip(right, rng)))
    return replace(exercise, operations=tuple(operations))


class Decided(NamedTuple):
    """A critique of a wrong response that the filter decided about."""

    trace: PathsTrace
    path: ReasoningPath
    is_kept: bool


class Fresh(NamedTuple):
    """Numbers of correct fresh refinements of one path, with and without its critique."""

    problem: str
    is_kept: bool
    right_with: int
    right_without: int


async def tried_again(decided: Sequence[Decided], fresh: int) -> list[Fresh]:
    """Refine every path `fresh` times with its critique and `fresh` times without, with the same seeds in both arms."""
    actor = load_model("miniature:actor")

    async def right(item: Decided, critique: str) -> int:
        assert item.path.response is not None
        messages = refine_messages(item.trace.problem.question, item.path.response.text, critique)
        replies = await asyncio.gather(
            *(
                actor.ainvoke(messages, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=1_000_000 + index)
                for index in range(fresh)
            )
        )
        return sum(boxed_answer(reply.text) == item.trace.problem.answer for reply in replies)

    async def both(item: Decided) -> Fresh:
        assert item.path.critique is not None
        with_it, without = await asyncio.gather(right(item, item.path.critique.text), right(item, ""))
        return Fresh(item.trace.problem.id, item.is_kept, with_it, without)

    results: list[Fresh] = []
    for start in range(0, len(decided), 32):
        results += await asyncio.gather(*map(both, decided[start : start + 32]))
    return results


def resampled(items: Sequence[Fresh], figure: Callable[[Iterable[Fresh]], float | None]) -> str:
    """Give a figure with its percentile interval over problems that are resampled with replacement."""
    by_problem: defaultdict[str, list[Fresh]] = defaultdict(list)
    for item in items:
        by_problem[item.problem].append(item)
    groups, rng = list(by_problem.values()), random.Random(0)
    drawn = (figure([item for group in rng.choices(groups, k=len(groups)) for item in group]) for _ in range(RESAMPLES))
    values = sorted(value for value in drawn if value is not None)
    value = figure(items)
    if value is None:
        return "-"
    low, high = values[int(0.025 * len(values))], values[int(0.975 * len(values))]
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def print_lift(items: Sequence[Fresh], fresh: int) -> None:
    """Print how often fresh refinements are correct, with and without kept and dropped critiques."""

    def share(is_kept: bool, arm: str) -> Callable[[Iterable[Fresh]], float | None]:
        def figure(drawn: Iterable[Fresh]) -> float | None:
            rights = [getattr(item, arm) / fresh for item in drawn if item.is_kept == is_kept]
            return fmean(rights) if rights else None

        return figure

    def difference(
        a: Callable[[Iterable[Fresh]], float | None], b: Callable[[Iterable[Fresh]], float | None]
    ) -> Callable[[Iterable[Fresh]], float | None]:
        def figure(drawn: Iterable[Fresh]) -> float | None:
            drawn = list(drawn)
            left, right = a(drawn), b(drawn)
            return None if left is None or right is None else left - right

        return figure

    counts = {is_kept: sum(item.is_kept == is_kept for item in items) for is_kept in (True, False)}
    print(
        f"\n{fresh} fresh refinements per arm; {counts[True]} critiques kept, {counts[False]} dropped by the filter\n"
    )
    print("| correct refinements, % | with the critique | without | lift, points |\n|---|---|---|---|")
    for name, is_kept in (("kept", True), ("dropped", False)):
        with_it, without = share(is_kept, "right_with"), share(is_kept, "right_without")
        cells = [resampled(items, figure) for figure in (with_it, without, difference(with_it, without))]
        print(f"| {name} | {' | '.join(cells)} |")
    between = difference(share(True, "right_with"), share(False, "right_with"))
    lifts = difference(
        difference(share(True, "right_with"), share(True, "right_without")),
        difference(share(False, "right_with"), share(False, "right_without")),
    )
    print(f"\nkept over dropped, with the critique: {resampled(items, between)} points")
    print(f"kept over dropped, lift: {resampled(items, lifts)} points")


def pools(traces: Sequence[PathsTrace]) -> dict[str, dict[bool, list[TrainingRow]]]:
    """Give the rows of every pool, by whether the response is correct."""
    found: dict[str, dict[bool, list[TrainingRow]]] = {
        name: {True: [], False: []} for name in ("kept", "agreeing", "unfiltered")
    }
    for trace in traces:
        for path in trace.paths:
            if path.critique is None or path.response is None or not path.critique.is_readable:
                continue
            prompt = critique_messages(trace.problem.question, path.response.text)
            made = row(prompt, f"<think>\n{path.critique_reasoning}\n</think>\n\n{path.critique.text}")
            is_correct = path.strategy == "correct"
            found["unfiltered"][is_correct].append(made)
            if path.drop is None or path.drop.stage == "filter":
                found["agreeing"][is_correct].append(made)
            if path.drop is None:
                found["kept"][is_correct].append(made)
    return found


async def judged(critic: BaseChatModel, exercises: Sequence[Exercise], answers: Sequence[str]) -> list[bool]:
    """Give for every answer whether the critic's verdict is correct."""
    replies = await asyncio.gather(
        *(
            critic.ainvoke(critique_messages(e.problem.question, answer), temperature=0.0, max_tokens=MAX_TOKENS)
            for e, answer in zip(exercises, answers, strict=True)
        )
    )
    verdicts = [parse_critique(reply.text, answer).final for reply, answer in zip(replies, answers, strict=True)]
    return [
        verdict == ("correct" if boxed_answer(answer) == e.problem.answer else "wrong")
        for e, answer, verdict in zip(exercises, answers, verdicts, strict=True)
    ]


async def sampled(exercises: Sequence[Exercise]) -> list[str]:
    """Sample an answer of the actor to every problem."""
    actor = load_model("miniature:actor")
    replies = await asyncio.gather(
        *(
            actor.ainvoke(
                solve_messages(e.problem.question), temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=index
            )
            for index, e in enumerate(exercises)
        )
    )
    return [reply.text for reply in replies]


def trained(rows: Sequence[TrainingRow], seed: int, folder: Path) -> str:
    """Train the shipped actor on rows into a critic; gives its model string."""
    start = weights_path("actor")
    model = load_weights(AutoModelForCausalLM, start, dtype=torch.float32)  # the weights are stored in half precision
    tokenizer = load_tokenizer(start)
    train_sft(rows, model=model, tokenizer=tokenizer, settings=replace(TRAINING, seed=seed), out=folder)
    return f"hf:{folder}"


def print_critics(traces: Sequence[PathsTrace], *, seeds: int, n: int, seed: int) -> None:
    """Train a critic on each pool, `seeds` times, and print how they judge."""
    found = pools(traces)
    sizes = {is_correct: min(len(pool[is_correct]) for pool in found.values()) for is_correct in (True, False)}
    exercises = list(generate_exercises(n, seed=seed, split="test"))
    answers = asyncio.run(sampled(exercises))
    right = sum(boxed_answer(answer) == e.problem.answer for e, answer in zip(exercises, answers, strict=True))
    print(
        f"\n{sizes[True]} rows of correct responses and {sizes[False]} of wrong ones, of "
        + ", ".join(f"{len(pool[True])} and {len(pool[False])} {name}" for name, pool in found.items())
    )
    print(f"verdicts on {n} fresh answers to test problems (seed {seed}), {right} of them correct\n")
    print("| trained on | " + " | ".join(f"seed {number}" for number in range(seeds)) + " | together |")
    print("|---|" + "---|" * (seeds + 1))
    hits: defaultdict[str, list[bool]] = defaultdict(list)
    untrained = asyncio.run(judged(load_model("miniature:actor"), exercises, answers))
    print(
        f"| nothing (the start) | {' | '.join('-' for _ in range(seeds))} | {in_percent(wilson(sum(untrained), n))} |"
    )
    for name, pool in found.items():
        for number in range(seeds):
            rng = random.Random(f"{name}/{number}")
            rows = [made for is_correct, size in sizes.items() for made in rng.sample(pool[is_correct], size)]
            with tempfile.TemporaryDirectory() as folder:
                critic = load_model(trained(rows, number, Path(folder)))
                hits[name] += asyncio.run(judged(critic, exercises, answers))
        each = [wilson(sum(hits[name][k * n : (k + 1) * n]), n) for k in range(seeds)]
        together = wilson(sum(hits[name]), len(hits[name]))
        print(f"| {name} | {' | '.join(map(in_percent, each))} | {in_percent(together)} |", flush=True)
    for other in ("agreeing", "unfiltered"):
        gain = paired_difference(hits[other], hits["kept"])
        print(f"\nkept over {other}: {in_percent(gain)} points, n = {gain.n} verdicts")


def in_percent(rate: Rate) -> str:
    assert rate.value is not None
    assert rate.low is not None
    assert rate.high is not None
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--misread", type=float, default=0.5)
    parser.add_argument("--fresh", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3, help="critics trained on each pool; 0: none")
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--out", type=Path, help="the run; goes on with one that is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.out or Path(scratch) / "run"
        annotator = MisreadingAnnotator(share=given.misread, model=f"misreads {given.misread}")
        summary = generate_data(out=folder, annotator=annotator, limit=given.problems, seed=given.seed)
        traces = list(read_paths_traces(read_journal(folder / JOURNAL)))
    print(json.dumps({"kept": summary.kept_by_strategy, "located": summary.located.value}))
    decided = [
        Decided(trace, path, path.drop is None)
        for trace in traces
        for path in trace.paths
        if path.strategy != "correct" and path.trial is not None
    ]
    print_lift(asyncio.run(tried_again(decided, given.fresh)), given.fresh)
    if given.seeds:
        print_critics(traces, seeds=given.seeds, n=given.n, seed=given.seed)


if __name__ == "__main__":
    main()
