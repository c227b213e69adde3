"""What a budget is best spent on: samples, critiques or rounds, with care or without, or a pool of responses.

Every split is a run of its own, with the gate `when_wrong`. One half of the problems chooses the best of them within a
budget; the other half, which had no say, measures the choice (`choose`). The paper has one critique of a response.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from critique_graph.calls.caller import derive_seed
from critique_graph.choose.choose import BudgetChoice, Choice, Scored, Unit, choose_run
from critique_graph.core.schema import Trace
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.study.findings import NO_REFERENCES, finding, points
from critique_graph.study.part import Finding, PartResult, StudyJob
from critique_graph.study.shared_runs import run_loop

PART = "critiques"
SPLITS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {"rounds": 0},
    "vote-3": {"samples": 3, "rounds": 0},
    "vote-5": {"samples": 5, "rounds": 0},
    "vote-9": {"samples": 9, "rounds": 0},
    "vote-17": {"samples": 17, "rounds": 0},
    "critique": {},
    "critique-kept": {"keep_original": True},
    "rounds-2": {"rounds": 2},
    "critiques-3": {"critiques": 3},
    "critiques-5": {"critiques": 5},
    "samples-3": {"samples": 3, "vote": "critic_filtered"},
    "pool": {"samples": 3, "critiques": 3, "refine_best": 2, "vote": "critic_filtered"},
}
"""The runs by their folders' names, with what is not the same in all. The numbers are ours."""
UNITS: tuple[Unit, ...] = ("tokens", "calls", "seconds")
_CAREFUL = {
    "keeping_the_original_spoils_fewer": ("critique-kept", "Where a refinement has to convince the critic to count,"),
    "five_critiques_spoil_fewer": ("critiques-5", "Where a majority of five critiques has to object,"),
}
"""Findings about correct responses that end wrong: each with its run, and how its statement begins."""


def critiques(job: StudyJob) -> PartResult:
    """Play the splits, choose among them within three budgets, and count the correct responses that each one spoils."""
    runs = {name: _play(job, name) for name in SPLITS}
    if min(map(len, runs.values())) < 2:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    has_tokens = not any(trace.usage["total"].unknown_calls for run in runs.values() for trace in run.values())
    folders = [job.folder / name for name in SPLITS]
    units = [unit for unit in UNITS if has_tokens or unit != "tokens"]
    choices = [choose_run(folders, unit=unit, seed=job.settings.seed) for unit in units]
    return PartResult(
        part=PART,
        findings=(*map(_choice_finding, choices), *_flip_findings(runs, has_tokens=has_tokens)),
        tables={
            "splits": tuple(_split_row(name, run, has_tokens=has_tokens) for name, run in runs.items()),
            "budgets": tuple(_budget_row(choice.unit, each) for choice in choices for each in choice.budgets),
            "curve": tuple(_curve(choices)),
        },
        left_out=None if has_tokens else "The models do not report tokens: there is nothing to match by.",
    )


def _play(job: StudyJob, name: str) -> dict[str, Trace]:
    """Play a split; gives its graded problems by their ids. In all splits a sample has the same seed."""
    split, settings = SPLITS[name], job.settings
    seed = derive_seed(settings.seed, PART)
    temperature = settings.actor_temperature if "samples" in split else 0.0
    given = {"gate": "when_wrong", "seed": seed, "temperature": temperature, **split}
    traces = run_loop(job, f"{PART}/{name}", is_graded=True, **given)
    return {trace.problem.id: trace for trace in traces if trace.correct is not None}


def _choice_finding(choice: Choice) -> Finding:
    """Compare what was chosen within the largest budget with the best without a critic, on the other half."""
    found = choice.budgets[-1]
    best, other, lead = found.best, found.without_critic, found.difference
    assert best is not None  # the largest budget holds every run
    assert other is not None
    assert lead is not None
    chosen, alone = _split_of(best), _split_of(other)
    said = f"Within {found.budget:,.1f} {choice.unit} a problem, {chosen} was chosen: {best.accuracy.percent()} on the"
    said += " other half"
    if chosen == alone:
        said += ", the best without a critic itself."
    else:
        said += f"; {alone}, the best without a critic, {other.accuracy.percent()}: {points(lead)}."
    return finding(
        PART,
        f"best_split_beats_best_vote_within_{choice.unit}",
        f"Within a budget of {choice.unit}, the best split over samples, critiques and rounds is better than the best "
        "vote without a critic, which the paper does not measure.",
        said,
        lead,
        compute=f"matched by the budget: {best.cost:,.1f} {choice.unit} a problem, {other.cost:,.1f} without a critic",
    )


def _flip_findings(runs: Mapping[str, Mapping[str, Trace]], *, has_tokens: bool) -> Iterator[Finding]:
    """Count the correct responses that end wrong, with care and without, from the same first responses."""
    plain = runs["critique"]
    for name, (split, begins) in _CAREFUL.items():
        careful = runs[split]
        common = [known for known in plain if known in careful]
        before, after = ([_is_spoilt(run[known]) for known in common] for run in (plain, careful))
        change = paired_difference(before, after)
        costs = [_spent(run, has_tokens=has_tokens) for run in (careful, plain)]
        yield finding(
            PART,
            name,
            f"{begins} fewer correct responses end wrong than after one critique, which the paper does not measure.",
            f"{sum(after)} of {len(common)} problems ({split}) against {sum(before)}: {points(change)}.",
            change,
            compute=f"not matched: {costs[0]} a problem, {costs[1]} with one critique",
            below=True,
        )


def _is_spoilt(trace: Trace) -> bool:
    """Tell whether the first response was correct, and the answer in the end is not."""
    first = trace.chains[0].response
    return first is not None and bool(first.is_correct) and not trace.correct


def _spent(run: Mapping[str, Trace], *, has_tokens: bool) -> str:
    used = [trace.usage["total"] for trace in run.values()]
    calls = f"{fmean(each.calls for each in used):.1f} calls"
    return f"{calls} and {fmean(each.total_tokens for each in used):,.0f} tokens" if has_tokens else calls


def _split_row(name: str, run: Mapping[str, Trace], *, has_tokens: bool) -> dict[str, Any]:
    used = [trace.usage["total"] for trace in run.values()]
    return {
        "split": name,
        "n": len(run),
        **_rate("accuracy", wilson(sum(bool(trace.correct) for trace in run.values()), len(run))),
        "calls": fmean(each.calls for each in used),
        "tokens": fmean(each.total_tokens for each in used) if has_tokens else None,
        "spoilt": sum(map(_is_spoilt, run.values())) if "samples" not in SPLITS[name] else None,
    }


def _budget_row(unit: Unit, found: BudgetChoice) -> dict[str, Any]:
    best, other = found.best, found.without_critic
    return {
        "unit": unit,
        "budget": found.budget,
        "chosen": _split_of(best) if best else None,
        "when_chosen": best.when_chosen.value if best else None,
        **_rate("accuracy", best.accuracy if best else None),
        "without_critic": _split_of(other) if other else None,
        **_rate("accuracy_without_critic", other.accuracy if other else None),
        **_rate("difference", found.difference),
    }


def _curve(choices: list[Choice]) -> Iterator[dict[str, Any]]:
    for choice in choices:
        for point in choice.curve:
            best = point.best
            row = {"unit": choice.unit, "strategy": point.strategy, "split": _split_of(best), "cost": best.cost}
            yield row | _rate("accuracy", best.accuracy)


def _split_of(scored: Scored) -> str:
    return Path(scored.run).name


def _rate(name: str, rate: Rate | None) -> dict[str, Any]:
    ends = {f"{name}_{end}": rate and getattr(rate, end) for end in ("low", "high")}
    return {name: rate and rate.value, **ends}
