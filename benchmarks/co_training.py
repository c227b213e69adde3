"""Co-training of actor and critic against a fixed critic, and against none; pooled over seeds, as Markdown.

python benchmarks/co_training.py --actor hf:m1/solver hf:m2/solver --critic hf:critic --seeds 1 2 --out runs/co

Every arm begins with the same models and explores the same problems. The same command again goes on where it stopped.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from self_improvement import Tested, line, tested

from critique_graph.improve.records import ActorEvaluation, ImprovementSummary
from critique_graph.improve.run import improve_actor
from critique_graph.metrics.intervals import Rate, paired_difference, wilson

VANILLA, FIXED, CO_TRAINED = "vanilla", "fixed", "co-trained"
ARMS: dict[str, dict[str, Any]] = {
    VANILLA: {"critic": "none"},
    FIXED: {},
    CO_TRAINED: {"critic_learns": True},
}
NUMBERS = {"limit": 100, "validation_limit": 50, "test_limit": 300, "iterations": 3, "samples": 4, "refinements": 4}
TRAINING = {"batch_size": 16, "rows_at_once": 16, "epochs": 1.0, "learning_rate": 3e-4}
Measured = list[ActorEvaluation]
"""The evaluations of one run: the start, and every iteration."""


def pooled(rates: Sequence[Rate | None]) -> Rate:
    """Give the rate over the cases of all seeds."""
    known = [rate for rate in rates if rate is not None]
    return wilson(sum(round((rate.value or 0.0) * rate.n) for rate in known), sum(rate.n for rate in known))


def flips(runs: Sequence[Measured], index: int) -> str:
    """Give how many responses a round made correct and how many wrong."""
    found = [run[index].flips for run in runs]
    to_correct = sum(each.wrong_to_right for each in found if each is not None)
    return f"{to_correct} to correct, {sum(each.right_to_wrong for each in found if each is not None)} to wrong"


def spent(summaries: Sequence[ImprovementSummary], index: int) -> str:
    """Give the operations of all iterations up to one, the model calls, and the tokens read, written and trained on."""
    operations = calls = tokens = 0.0
    for summary in summaries:
        for each in summary.iterations[:index]:
            turn = each.critic
            operations += 0 if each.compute is None else each.compute["total"]
            calls += sum(each.exploration_calls.values()) + (sum(turn.practice_calls.values()) if turn else 0)
            tokens += each.exploration_tokens["total"] + each.training_tokens + (turn.tokens if turn else 0)
    return f"{operations / 1e12:,.2f} TFLOP, {calls:,.0f} calls, {tokens / 1e6:.2f} M tokens"


def rows(summaries: Sequence[ImprovementSummary], index: int) -> str:
    """Give the rows that the actor and the critic learned in an iteration."""
    if index == 0:
        return ""
    found = [summary.iterations[index - 1] for summary in summaries]
    critic = sum(each.critic.rows for each in found if each.critic is not None)
    return f"{sum(each.rows for each in found)} and {critic}"


def right(cases: Sequence[Tested], place: int) -> list[bool]:
    """Give which cases are correct: alone (1), or with the critic (2)."""
    return [bool(case[place]) for case in cases]


def show(arms: dict[str, list[ImprovementSummary]]) -> None:
    """Print the figures of every arm and the differences between them."""
    found = {arm: [[each.start, *each.iterations] for each in summaries] for arm, summaries in arms.items()}
    measured: dict[str, list[Measured]] = {
        arm: [[one for one in run if one is not None] for run in runs] for arm, runs in found.items()
    }
    count = min(len(run) for runs in measured.values() for run in runs)
    rates: dict[str, Callable[[ActorEvaluation], Rate | None]] = {
        "actor alone": lambda one: one.accuracy,
        "after a round with the critic": lambda one: one.accuracy_with_critic,
        "verdicts on its correct responses": lambda one: one.verdicts_on_correct,
        "verdicts on its wrong responses": lambda one: one.verdicts_on_wrong,
        "exam, correct responses": lambda one: one.exam_on_correct,
        "exam, wrong responses": lambda one: one.exam_on_wrong,
    }
    line("", ["start", *(f"iteration {index}" for index in range(1, count))])
    line("---", ["---"] * count)
    for name, rate in rates.items():
        for arm, runs in measured.items():
            by_iteration = [pooled([rate(run[index]) for run in runs]) for index in range(count)]
            if by_iteration[0].n:
                cells = [f"{each.percent()}, n = {each.n}" for each in by_iteration]
                line(f"{arm}: {name}", cells)
    for arm, runs in measured.items():
        line(f"{arm}: flips", [flips(runs, index) for index in range(count)])
    for arm, summaries in arms.items():
        line(f"{arm}: rows of actor and critic", [rows(summaries, index) for index in range(count)])
    for arm, summaries in arms.items():
        line(f"{arm}: spent so far", [spent(summaries, index) for index in range(count)])
    print()
    folders = {arm: [Path(each.run) for each in summaries] for arm, summaries in arms.items()}
    tests = {(arm, index): tested(runs, index) for arm, runs in folders.items() for index in range(count)}
    line("difference", [f"iteration {index}" for index in range(1, count)])
    line("---", ["---"] * (count - 1))
    for name, place in (("alone", 1), ("with the critic", 2)):
        for one, other in ((FIXED, VANILLA), (CO_TRAINED, VANILLA), (CO_TRAINED, FIXED)):
            pairs = [(right(tests[other, index], place), right(tests[one, index], place)) for index in range(1, count)]
            cells = [paired_difference(*pair).percent(sign="+", unit="points") for pair in pairs]
            line(f"{one} over {other}: {name}", cells)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--actor", nargs="+", required=True, help="actor of each seed, or one for all")
    parser.add_argument("--critic", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--out", type=Path, required=True)
    for name, default in (NUMBERS | TRAINING).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    given = parser.parse_args()
    settings = {name: getattr(given, name) for name in NUMBERS | TRAINING}
    actors = given.actor * len(given.seeds) if len(given.actor) == 1 else given.actor
    arms: dict[str, list[ImprovementSummary]] = {arm: [] for arm in ARMS}
    for seed, actor in zip(given.seeds, actors, strict=True):
        for arm, own in ARMS.items():
            chosen = {"critic": given.critic, **own, **settings}
            if arm == VANILLA:  # another test critic than the critic is named; of the other arms it is their own
                chosen["test_critic"] = given.critic
            out = given.out / f"{arm}-{seed}"
            arms[arm].append(improve_actor("miniature", actor=actor, seed=seed, out=out, **chosen))
    show(arms)


if __name__ == "__main__":
    main()
