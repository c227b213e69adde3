"""Computes what every strategy would have answered on one saved pool, and at what cost. No model is called.

A strategy draws k chains of a problem's pool, each of which gives one weighted vote, and answers with the heaviest
group of equal answers. Its value on a problem is the probability that this answer is correct, averaged over every
subset of k chains (by `chances_of_votes` if all weights are equal; otherwise over `MOST_CHOICES` random subsets if
there are more). If t groups are equally heavy, each wins with probability 1/t.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from statistics import fmean

from critique_graph.core.schema import Call, Chain, Response, Round, Trace
from critique_graph.grading.grader import Grader
from critique_graph.metrics.at_k import pass_at_k
from critique_graph.metrics.cost import Cost, SharedTime, responses
from critique_graph.metrics.majority import chances_of_votes
from critique_graph.nodes.vote import VERDICT_WEIGHT

MOST_CHOICES = 200
"""Maximum number of subsets of k chains that are averaged if weights differ."""
_EQUAL = 1e-9
"""Largest difference of weights that count as equal."""
_FINE_BUDGETS = 16
"""Every k up to this number is computed; above it, eight values per doubling."""


@dataclass(frozen=True)
class Draw:
    """The vote of one chain in a strategy, and its cost."""

    answer: int | None
    """Group of equal answers that gets the vote; None, which never wins, if there is no readable answer."""
    cost: Cost
    weight: float = 1.0
    """Weight of the vote; 0 excludes it, unless all votes would be excluded."""
    calls: tuple[Call, ...] = ()
    """The calls that cost this."""


@dataclass(frozen=True)
class PooledProblem:
    """A problem's trace with its answers grouped and graded."""

    trace: Trace
    groups: dict[str, int]
    """Group of each answer, by the answer as it was written."""
    right: frozenset[int]
    """Groups whose answers equal the reference."""
    time: SharedTime | None = None
    """Times of the run's calls; None while they are not all known, and then costs have no seconds."""

    def vote(self, response: Response | None, calls: Iterable[Response | Round | None], weight: float = 1.0) -> Draw:
        """Make the vote of a response, at the cost of the calls that wrote `calls`."""
        made = tuple([call for called in calls if called is not None for call in _calls_for(called)])
        seconds = 0.0 if self.time is None else sum(map(self.time.of, made))
        cost = Cost(len(made), sum([call.usage.total_tokens for call in made]), seconds)
        return Draw(self.group(response), cost, weight, made)

    def group(self, response: Response | None) -> int | None:
        """Give the group of a response's answer; None if it has no readable answer or was cut off."""
        if response is None or response.is_truncated or response.answer is None:
            return None
        return self.groups[response.answer]

    def is_correct(self, response: Response | None) -> bool:
        """Tell whether a complete response has the reference's answer."""
        return self.group(response) in self.right


def _calls_for(called: Response | Round) -> list[Call]:
    return [given.call for given in called.judgements] if isinstance(called, Round) else [called.call]


@dataclass(frozen=True)
class Strategy:
    """A way to spend calls on a problem."""

    name: str
    label: str
    draws: Callable[[PooledProblem], list[Draw]]
    """Gives one draw for every chain, or sample."""
    is_vote: bool = False
    """Whether the strategy votes; otherwise it uses one random chain of the pool."""
    is_best_of: bool = False
    """Whether the reference chooses among the draws."""
    is_upper_bound: bool = False
    """Whether the strategy looks at the reference, so that it is not a method."""


async def pooled_problem(
    trace: Trace, grader: Grader, time: SharedTime | None = None, *, graded: bool = True
) -> PooledProblem | None:
    """Group the answers of a trace by mathematical equivalence; None if `graded` and one could not be graded."""
    representatives: list[str] = []
    groups: dict[str, int] = {}
    outcomes: defaultdict[int, set[str]] = defaultdict(set)
    for response in responses(trace):
        if response.is_truncated or response.answer is None:
            continue
        if response.answer not in groups:
            for group, known in enumerate(representatives):
                if await grader.equivalent(known, response.answer):
                    groups[response.answer] = group
                    break
            else:
                groups[response.answer] = len(representatives)
                representatives.append(response.answer)
        if response.grade is not None:
            outcomes[groups[response.answer]].add(response.grade.outcome)
    if graded and any(not outcomes[group] & {"correct", "incorrect"} for group in groups.values()):
        return None
    right = frozenset(group for group, found in outcomes.items() if "correct" in found)
    return PooledProblem(trace, groups, right, time)


def chances(strategy: Strategy, problem: PooledProblem, draws: Sequence[Draw], budgets: Sequence[int]) -> list[float]:
    """Give the probability that a strategy answers a problem correctly, for every number of chains in `budgets`."""
    is_correct = [draw.answer in problem.right for draw in draws]
    if strategy.is_best_of:
        return [pass_at_k(len(draws), sum(is_correct), k) for k in budgets]
    if all(draw.weight == 1 for draw in draws):
        votes = ["right" if right else draw.answer for draw, right in zip(draws, is_correct, strict=True)]
        return [chance.value for chance in chances_of_votes(votes, "right", budgets)]
    vote = _WeightedVote(draws, problem.right)
    return [fmean(map(vote.won, _choices(len(draws), k))) for k in budgets]


def budgets(chains: int) -> list[int]:
    """Give the numbers of chains to compute, up to all: every number while small, then fewer and fewer."""
    found, k = [], 1
    while k < chains:
        found.append(k)
        k += max(1, k // 8) if k >= _FINE_BUDGETS else 1
    return [*found, chains]


def available(settings: Mapping[str, object], trace: Trace) -> list[Strategy]:
    """Give the strategies all of whose calls are in the traces of a run.

    Args:
        settings: Settings of the run.
        trace: One of the run's traces.
    """
    has_critiques = bool(settings.get("rounds"))
    gate = settings.get("gate") if has_critiques else None
    found = [SAMPLE, MAJORITY]
    if trace.greedy is not None:
        found.insert(0, GREEDY)
    if gate in ("when_wrong", "always"):
        found += [CRITIC_LOOP, CRITIC_LOOP_VOTE, CRITIC_FILTERED, CRITIC_WEIGHTED]
    if gate == "always":
        found.append(SEQUENTIAL)
    if trace.retries:
        found.append(SELF_CORRECTION)
    if gate in ("always", "oracle"):
        found.append(ORACLE_LOOP)
    return [*found, ORACLE_CHOICE]


@dataclass(frozen=True)
class LoopEnd:
    """Last response of a chain under a gate, and everything that was called to get it."""

    response: Response | None
    calls: list[Response | Round | None]


def loop_end(chain: Chain) -> LoopEnd:
    """Give the end of a chain under the gate `when_wrong`: at the first critique that does not say wrong."""
    end = LoopEnd(chain.response, [chain.response])
    for turn in chain.rounds:
        end.calls.append(turn)
        if turn.critique.final != "wrong" or turn.refinement is None:
            break
        end.calls.append(turn.refinement)
        if turn.refinement.is_truncated:
            break
        end = LoopEnd(turn.kept(end.response), end.calls)
    return end


def _sampled(problem: PooledProblem) -> list[Draw]:
    firsts = [*(chain.response for chain in problem.trace.chains), *problem.trace.uncritiqued]
    return [problem.vote(response, [response]) for response in firsts]


def _greedy(problem: PooledProblem) -> list[Draw]:
    return [problem.vote(problem.trace.greedy, [problem.trace.greedy])]


def _looped(problem: PooledProblem) -> list[Draw]:
    ends = map(loop_end, problem.trace.chains)
    return [problem.vote(end.response, end.calls) for end in ends]


def _filtered(problem: PooledProblem) -> list[Draw]:
    return _judged(problem, {"correct": 1.0, "wrong": 0.0, None: 0.0})


def _weighted(problem: PooledProblem) -> list[Draw]:
    return _judged(problem, VERDICT_WEIGHT)


def _judged(problem: PooledProblem, weights: Mapping[str | None, float]) -> list[Draw]:
    """Give votes of first responses, weighted by the verdict on them."""
    draws = []
    for chain in problem.trace.chains:
        first = chain.rounds[0] if chain.rounds else None
        weight = weights[first.critique.final if first else None]
        draws.append(problem.vote(chain.response, [chain.response, first], weight))
    return draws


def _refined(problem: PooledProblem) -> list[Draw]:
    chains = problem.trace.chains
    return [problem.vote(chain.latest, [*chain.responses, *chain.rounds]) for chain in chains]


def _retried(problem: PooledProblem) -> list[Draw]:
    draws = []
    for chain, retry in zip(problem.trace.chains, problem.trace.retries, strict=True):
        is_kept = retry is not None and chain.response is not None and retry.replaces(chain.response)
        draws.append(problem.vote(retry if is_kept else chain.response, [chain.response, retry]))
    return draws


def _gated_by_reference(problem: PooledProblem) -> list[Draw]:
    draws = []
    for chain in problem.trace.chains:
        response = chain.response
        calls: list[Response | Round | None] = [response]
        for turn in chain.rounds:
            if problem.is_correct(response) or turn.refinement is None:
                break
            calls += [turn, turn.refinement]
            response = turn.kept(response)
        draws.append(problem.vote(response, calls))
    return draws


# The first names are keys of `compare --json`.
GREEDY = Strategy("greedy", "greedy", _greedy)
SAMPLE = Strategy("sample", "one sample", _sampled)
MAJORITY = Strategy("majority", "majority vote", _sampled, is_vote=True)
CRITIC_LOOP = Strategy("critic_loop", "critic loop", _looped)
CRITIC_LOOP_VOTE = Strategy("critic_loop_vote", "critic loops' vote", _looped, is_vote=True)
CRITIC_FILTERED = Strategy("critic_filtered", "filtered vote", _filtered, is_vote=True)
CRITIC_WEIGHTED = Strategy("critic_weighted", "weighted vote", _weighted, is_vote=True)
SEQUENTIAL = Strategy("sequential", "sequential", _refined)
SELF_CORRECTION = Strategy("self_correction", "self-correction", _retried)
ORACLE_LOOP = Strategy("oracle_loop", "oracle gate", _gated_by_reference, is_upper_bound=True)
ORACLE_CHOICE = Strategy("oracle_choice", "oracle choice", _sampled, is_vote=True, is_best_of=True, is_upper_bound=True)


class _WeightedVote:
    """The votes of a strategy as sets of draws, which are the bits of an integer."""

    def __init__(self, draws: Sequence[Draw], right: frozenset[int]) -> None:
        self._weighted = 0
        sets: defaultdict[int, defaultdict[float, int]] = defaultdict(lambda: defaultdict(int))
        for place, draw in enumerate(draws):
            self._weighted |= (1 << place) * (draw.weight > 0)
            if draw.answer is not None:
                sets[draw.answer][draw.weight] |= 1 << place
        self._groups = _heaviest_first([(dict(sets[answer]), answer in right) for answer in sets])
        bare = [({1.0: sum(sets[answer].values())}, answer in right) for answer in sets]
        self._bare = _heaviest_first(bare)
        """The groups as they count where all votes would be excluded."""

    def won(self, choice: int) -> float:
        """Give the probability that the heaviest group of the chosen draws is correct."""
        heaviest, leaders, right = 0.0, 0, 0
        for most, parts, is_right in self._groups if choice & self._weighted else self._bare:
            if most < heaviest - _EQUAL:
                break
            weight = 0.0
            for each, draws in parts:
                weight += each * (choice & draws).bit_count()
            if weight > heaviest + _EQUAL:
                heaviest, leaders, right = weight, 1, int(is_right)
            elif weight > _EQUAL and weight >= heaviest - _EQUAL:
                leaders, right = leaders + 1, right + is_right
        return right / leaders if leaders else 0.0


_Group = tuple[float, list[tuple[float, int]], bool]
"""The most that a group of equal answers can weigh, its draws by weight, and whether it is correct."""


def _heaviest_first(groups: Iterable[tuple[Mapping[float, int], bool]]) -> list[_Group]:
    counted = [
        (sum(weight * draws.bit_count() for weight, draws in sets.items()), [*sets.items()], is_right)
        for sets, is_right in groups
    ]
    return sorted(counted, key=lambda group: -group[0])


@lru_cache(maxsize=1024)
def _choices(n: int, k: int) -> list[int]:
    """Give subsets of n draws, each as the bits of an integer."""
    if comb(n, k) <= MOST_CHOICES:
        chosen: Iterable[Iterable[int]] = combinations(range(n), k)
    else:
        rng = random.Random(f"{n}/{k}")
        chosen = (rng.sample(range(n), k) for _ in range(MOST_CHOICES))
    return [sum(1 << draw for draw in choice) for choice in chosen]
