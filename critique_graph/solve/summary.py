"""What a run found: outcomes, accuracy before and after the critic, flips, the critic's judgement, tokens.

Read in one pass over the journal, one trace at a time.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from critique_graph.core.schema import Chain, Record, Trace, Usage, Verdict
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.metrics.judgement import CriticScore, discriminability
from critique_graph.nodes.ask_critique import are_copies
from critique_graph.nodes.changes import changes_of, same_answers
from critique_graph.runs.record import FinishedRun, RunRecord
from critique_graph.solve.by_round import RoundRates, RoundsTally


class Flips(Record):
    """Number of problems by whether chain 0's first response was correct and whether the final answer is correct."""

    right_to_right: int
    right_to_wrong: int
    wrong_to_right: int
    wrong_to_wrong: int


class Tokens(Record):
    """Tokens by role, without calls whose usage is unknown; `unknown_calls` counts those."""

    actor: int
    critic: int
    total: int
    prompts: int
    """Tokens of the prompts, which are part of `total`."""
    cached: int
    """Tokens of the prompts that an engine's prefix cache held."""
    unknown_calls: int


class LevelAccuracy(Record):
    """Accuracy on the problems of one level."""

    first: Rate
    final: Rate


class Summary(RunRecord):
    """The findings of a run, as `critique-graph run --json` prints them."""

    ungraded: int
    """Done problems left out of every accuracy: no reference, or an answer that could not be graded."""
    accuracy_first: Rate
    """Accuracy of chain 0's first response: what the actor achieves alone."""
    accuracy_final: Rate
    gain: Rate
    """Final minus first accuracy on the same problems."""
    flips: Flips
    by_level: dict[int, LevelAccuracy]
    answer_changed: Rate
    """Share of done problems whose answer is not that of chain 0's first response; needs no reference."""
    by_round: tuple[RoundRates, ...]
    """What every round did on done problems; needs no reference."""
    critic: CriticScore
    """Agreement of the critic's verdicts with the grades of every chain's first response."""
    unparsed_critiques: int
    """Number of critiques, in any round, without a readable final verdict."""
    readable_critiques: Rate
    """Critiques with a verdict on the final answer and on every step, each found in the response."""
    critiques_asked_again: int
    """Number of critiques before which others could not be read (`retry_unreadable`)."""
    failed_critiques: int
    """Number of calls for one of several critiques that failed while others came."""
    unanimous_critiques: Rate
    """Share of responses with several critiques in which all of them have the same verdict, or none can be read."""
    identical_critiques: Rate
    """Share of responses with several critiques in which all of them are the same text."""
    abstained: Rate
    """Share of responses that were not refined because too few critiques share the verdict (`abstain_below`), of all
    that would have been refined otherwise."""
    kept_original: Rate
    """Share of refinements that do not count because the critiques did not prefer them (`keep_original`), of all that
    were critiqued for it."""
    bare_refinements: Rate
    """Refinements of one line, which give an answer and do not show its work."""
    truncated_responses: int
    tokens: Tokens


def summarise(run: FinishedRun) -> Summary:
    """Summarise a run, in one pass over its traces."""
    tally = _Tally(usage=defaultdict(Usage, run.untraced))
    for row in run.rows():
        if row.trace is not None:
            tally.add(Trace.model_validate_json(row.trace), is_done=row.outcome.status == "done")
    first, final = tally.first, tally.final
    changes = Counter(zip(first, final, strict=True))
    actor, critic = tally.usage["actor"], tally.usage["critic"]
    both = actor + critic
    return Summary(
        **run.counts(),
        ungraded=run.outcomes["done"] - len(first),
        accuracy_first=_share(first),
        accuracy_final=_share(final),
        gain=paired_difference(first, final),
        flips=Flips(
            right_to_right=changes[True, True],
            right_to_wrong=changes[True, False],
            wrong_to_right=changes[False, True],
            wrong_to_wrong=changes[False, False],
        ),
        by_level={
            level: LevelAccuracy(first=_share([a for a, _ in pairs]), final=_share([b for _, b in pairs]))
            for level, pairs in sorted(tally.levels.items())
        },
        answer_changed=_share(tally.changed),
        by_round=tally.rounds.rounds(),
        critic=discriminability(tally.verdicts),
        unparsed_critiques=tally.unparsed_critiques,
        readable_critiques=_share(tally.readable),
        critiques_asked_again=tally.asked_again,
        failed_critiques=tally.failed_critiques,
        unanimous_critiques=_share(tally.unanimous),
        identical_critiques=_share(tally.identical),
        abstained=_share(tally.abstained),
        kept_original=_share(tally.kept_original),
        bare_refinements=_share(tally.bare),
        truncated_responses=tally.truncated_responses,
        tokens=Tokens(
            actor=actor.total_tokens,
            critic=critic.total_tokens,
            total=both.total_tokens,
            prompts=both.input_tokens,
            cached=both.cached_tokens,
            unknown_calls=both.unknown_calls,
        ),
    )


@dataclass
class _Tally:
    """The counts over the traces read so far."""

    first: list[bool] = field(default_factory=list)
    final: list[bool] = field(default_factory=list)
    levels: defaultdict[int, list[tuple[bool, bool]]] = field(default_factory=lambda: defaultdict(list))
    changed: list[bool] = field(default_factory=list)
    rounds: RoundsTally = field(default_factory=RoundsTally)
    verdicts: Counter[tuple[bool, Verdict | None]] = field(default_factory=Counter)
    usage: defaultdict[str, Usage] = field(default_factory=lambda: defaultdict(Usage))
    unparsed_critiques: int = 0
    readable: list[bool] = field(default_factory=list)
    asked_again: int = 0
    failed_critiques: int = 0
    unanimous: list[bool] = field(default_factory=list)
    identical: list[bool] = field(default_factory=list)
    abstained: list[bool] = field(default_factory=list)
    kept_original: list[bool] = field(default_factory=list)
    bare: list[bool] = field(default_factory=list)
    truncated_responses: int = 0

    def add(self, trace: Trace, *, is_done: bool) -> None:
        """Count a trace: its usage always, its results only when the problem is done."""
        for role in ("actor", "critic"):
            self.usage[role] += trace.usage[role]
        if not is_done:
            return
        self.rounds.add(trace.changes or changes_of(trace.chains, trace.task))
        for chain in trace.chains:
            self.truncated_responses += sum(response.is_truncated for response in chain.responses)
            self._add_critiques(chain)
            self.bare += [r.refinement.is_bare for r in chain.rounds if r.refinement is not None]
            if chain.parent is not None and chain.response is not None:
                self.bare.append(chain.response.is_bare)
            elif chain.rounds and chain.response is not None and chain.response.is_correct is not None:
                self.verdicts[chain.response.is_correct, chain.rounds[0].critique.final] += 1
        first, final = trace.chains[0].response, trace.correct
        is_same = same_answers(trace.task)
        self.changed.append(not is_same(None if first is None else first.answer, trace.answer))
        if first is None or first.is_correct is None or final is None:
            return
        self.first.append(first.is_correct)
        self.final.append(final)
        if trace.problem.level is not None:
            self.levels[trace.problem.level].append((first.is_correct, final))

    def _add_critiques(self, chain: Chain) -> None:
        critiques = [given.critique for turn in chain.rounds for given in turn.judgements]
        self.unparsed_critiques += sum(critique.final is None for critique in critiques)
        self.readable += [critique.is_readable for critique in critiques]
        self.asked_again += sum("asked_again" in critique.warnings for critique in critiques)
        self.failed_critiques += sum(len(turn.failures) for turn in chain.rounds)
        several = [turn.judgements for turn in chain.rounds if turn.others]
        self.unanimous += [len({given.critique.final for given in judgements}) == 1 for judgements in several]
        self.identical += [are_copies(judgements) for judgements in several]
        self.abstained += [False for turn in chain.rounds if turn.refinement is not None]
        self.abstained += [True] * (chain.stop == "abstained")
        self.kept_original += [False for turn in chain.rounds if turn.is_preferred]
        self.kept_original += [True] * (chain.stop == "kept_original")


def _share(values: list[bool]) -> Rate:
    return wilson(sum(values), len(values))
