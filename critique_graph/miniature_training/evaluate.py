"""Measures any pair of models on the miniature's problems: the actor, the critic, one round, and its baselines.

All labels are exact: the number of an answer grades the answer and the final verdict on it, and the written steps grade
the located error. Prompts are those of the graph's nodes. The reference answer is in no prompt.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from math import ceil
from statistics import fmean

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Critique, Failure, Record, Reply, Role
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.miniature.critiques import approving_critique
from critique_graph.miniature.solutions import boxed_answer, check_response, first_error
from critique_graph.miniature.task import LEVELS, Exercise, Split, generate_exercises
from critique_graph.models.load import load_model
from critique_graph.nodes.ask_critique import to_critique
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages

logger = logging.getLogger(__name__)

TEMPERATURE = 0.7
"""Temperature of the sampled answers, equal to that of `run` with several samples."""
HARDER_FROM = 5
"""Problems with at least this number of steps are the harder half."""
MAX_TOKENS = 1024
IN_FLIGHT = 512


class ActorFigures(Record):
    """How often the actor's answers are correct."""

    greedy: Rate
    greedy_by_level: dict[int, Rate]
    sampled_by_level: dict[int, Rate]
    """Accuracy of the first sampled answers, by level."""
    any_of_samples: Rate
    """Share of problems with a correct answer among `PairEvaluation.samples` sampled ones: pass@samples."""


class CriticFigures(Record):
    """How the critic judges the first sampled answer to every problem."""

    verdict: Rate
    """Share of answers with a correct verdict; an unreadable verdict counts as wrong."""
    verdict_on_right: Rate
    """Share of correct answers with a correct verdict."""
    verdict_on_wrong: Rate
    """Share of wrong answers with a correct verdict."""
    located: Rate
    """Share of wrong answers with a wrong step for which the critique's first wrong step is the true one."""
    parsed: Rate
    """Share of critiques with a readable final verdict."""
    aligned: Rate
    """Share of critiques in which every step is a step of the answer."""
    verdict_on_unsolved: Rate
    """Share of correct verdicts on problems that the critic itself, asked to solve them, answers wrongly."""


class RoundFigures(Record):
    """One greedy round with the gate `when_wrong`: answers that the critic calls wrong are refined."""

    accuracy: Rate
    gain: Rate
    """Accuracy after the round minus that of the greedy answers, paired."""
    gain_easier: Rate
    gain_harder: Rate
    repaired: Rate
    """Share of wrong answers that become correct."""
    broken: Rate
    """Share of correct answers that become wrong."""


class Arm(Record):
    """The round with something else in place of the critique."""

    accuracy: Rate
    critique_gains: Rate
    """Accuracy with the true critique minus that of this arm, paired, with refinements of the same answers."""


class VoteFigures(Record):
    """Majority vote of the fewest sampled answers that cost at least the tokens of the round (prompts included)."""

    votes: int
    accuracy: Rate
    round_gains: Rate
    """Accuracy of the round minus that of the vote, paired."""
    tokens_of_vote: float
    """Mean number of tokens per problem."""
    tokens_of_round: float


class PairEvaluation(Record):
    """Everything that was measured; every rate has its 95 % interval and its n."""

    seed: int
    samples: int
    actor: ActorFigures
    critic: CriticFigures
    round: RoundFigures
    arms: dict[str, Arm]
    vote: VoteFigures | None
    """None if more votes are needed than there are samples, or a model does not report its tokens."""


async def evaluate_pair(
    actor: str | BaseChatModel,
    critic: str | BaseChatModel,
    *,
    n: int = 400,
    seed: int = 1000,
    split: Split = "test",
    samples: int = 16,
) -> PairEvaluation:
    """Measure a pair of models on `n` problems of a split.

    Args:
        actor: A model or model string, as in `load_model`.
        critic: A model or model string.
        n: Number of problems.
        seed: Seed for drawing the problems.
        split: Split of the problems.
        samples: Number of sampled answers to every problem.

    Raises:
        InputError: A string names no model.
        ModelCallError: A model call failed for good.
    """
    exercises = list(generate_exercises(n, seed=seed, split=split))
    asker = _Asker(actor, critic, exercises, seed)
    greedy = await asker.solve("actor")
    pool = [await asker.solve("actor", sample=index) for index in range(samples)]
    own_of_critic = await asker.solve("critic")
    sampled = pool[0]

    judged = _critiques(await asker.criticise(sampled), sampled)
    replies = await asker.criticise(greedy)
    critiques = _critiques(replies, greedy)

    flagged = [i for i in range(n) if critiques[i].final == "wrong"]
    texts = {i: critiques[i].text for i in flagged}
    of_another = dict(zip(flagged, (texts[i] for i in [*flagged[1:], *flagged[:1]]), strict=True))
    refined = await asker.refine(flagged, greedy, texts)
    arms = {
        "no critique": await asker.refine(flagged, greedy, dict.fromkeys(flagged, "")),
        "critique of another problem": await asker.refine(flagged, greedy, of_another),
        "all steps called correct": await asker.refine(
            flagged, greedy, {i: approving_critique(greedy[i].text) for i in flagged}
        ),
    }

    def right(answers: Sequence[Reply], changed: dict[int, Reply] | None = None) -> list[bool]:
        final = {**dict(enumerate(answers)), **(changed or {})}
        return [boxed_answer(final[i].text) == e.problem.answer for i, e in enumerate(exercises)]

    before, after = right(greedy), right(greedy, refined)
    return PairEvaluation(
        seed=seed,
        samples=samples,
        actor=_actor_figures(exercises, before, [right(answers) for answers in pool]),
        critic=_critic_figures(exercises, sampled, right(sampled), judged, right(own_of_critic)),
        round=_round_figures(exercises, before, after),
        arms={
            name: Arm(
                accuracy=_rate(right(greedy, answers)),
                critique_gains=paired_difference(right(greedy, answers), after),
            )
            for name, answers in arms.items()
        },
        vote=_vote_figures(exercises, pool, _tokens_of_round(greedy, replies, refined), after, seed),
    )


@dataclass(frozen=True)
class _Asker:
    """Asks both models about the problems, many at once."""

    actor: str | BaseChatModel
    critic: str | BaseChatModel
    exercises: Sequence[Exercise]
    seed: int

    async def solve(self, role: Role, *, sample: int | None = None) -> list[Reply]:
        prompts = {i: solve_messages(e.problem.question) for i, e in enumerate(self.exercises)}
        replies = await self._ask(role, "solve", prompts, sample=sample)
        return [replies[i] for i in prompts]

    async def criticise(self, responses: Sequence[Reply]) -> list[Reply]:
        prompts = {
            i: critique_messages(self.exercises[i].problem.question, response.text)
            for i, response in enumerate(responses)
        }
        replies = await self._ask("critic", "critique", prompts)
        return [replies[i] for i in prompts]

    async def refine(
        self, indices: Sequence[int], responses: Sequence[Reply], critiques: dict[int, str]
    ) -> dict[int, Reply]:
        questions = (self.exercises[i].problem.question for i in indices)
        prompts = {
            i: refine_messages(question, responses[i].text, critiques[i])
            for i, question in zip(indices, questions, strict=True)
        }
        return await self._ask("actor", "refine", prompts)

    async def _ask(
        self, role: Role, what: str, prompts: dict[int, list[BaseMessage]], *, sample: int | None = None
    ) -> dict[int, Reply]:
        caller = Caller(
            model=load_model(self.actor if role == "actor" else self.critic),
            role=role,
            temperature=0.0 if sample is None else TEMPERATURE,
            max_tokens=MAX_TOKENS,
            seed=self.seed,
        )
        free = asyncio.Semaphore(IN_FLIGHT)

        async def one(index: int, messages: list[BaseMessage]) -> Reply:
            key = CallKey(f"{self.exercises[index].problem.id}/{what}", role, sample or 0, 0)
            async with free:
                outcome = await caller(messages, key)
            if isinstance(outcome, Failure):
                raise ModelCallError(outcome)
            return outcome

        logger.info("%s: %s, %d calls%s", role, what, len(prompts), "" if sample is None else f", sample {sample + 1}")
        replies = await asyncio.gather(*(one(index, messages) for index, messages in prompts.items()))
        return dict(zip(prompts, replies, strict=True))


def _critiques(replies: Sequence[Reply], responses: Sequence[Reply]) -> list[Critique]:
    return [to_critique(reply, response.text) for reply, response in zip(replies, responses, strict=True)]


def _actor_figures(exercises: Sequence[Exercise], greedy: list[bool], pool: list[list[bool]]) -> ActorFigures:
    return ActorFigures(
        greedy=_rate(greedy),
        greedy_by_level=_by_level(exercises, greedy),
        sampled_by_level=_by_level(exercises, pool[0]),
        any_of_samples=_rate([any(outcomes) for outcomes in zip(*pool, strict=True)]),
    )


def _critic_figures(
    exercises: Sequence[Exercise],
    answers: Sequence[Reply],
    is_correct: list[bool],
    critiques: list[Critique],
    is_solved_by_critic: list[bool],
) -> CriticFigures:
    hits = [c.final == ("correct" if right else "wrong") for c, right in zip(critiques, is_correct, strict=True)]
    errors = [first_error(check_response(e, a.text)) for e, a in zip(exercises, answers, strict=True)]
    is_locatable = [not right and error is not None for right, error in zip(is_correct, errors, strict=True)]
    return CriticFigures(
        verdict=_rate(hits),
        verdict_on_right=_rate(list(compress(hits, is_correct))),
        verdict_on_wrong=_rate([hit for hit, right in zip(hits, is_correct, strict=True) if not right]),
        located=_rate(
            [c.first_wrong_step == error for c, error, use in zip(critiques, errors, is_locatable, strict=True) if use]
        ),
        parsed=_rate([c.final is not None for c in critiques]),
        aligned=_rate([all(step.step_index is not None for step in c.steps) for c in critiques]),
        verdict_on_unsolved=_rate([hit for hit, own in zip(hits, is_solved_by_critic, strict=True) if not own]),
    )


def _round_figures(exercises: Sequence[Exercise], before: list[bool], after: list[bool]) -> RoundFigures:
    def gain(is_meant: Callable[[int], bool]) -> Rate:
        chosen = [is_meant(len(e.operations)) for e in exercises]
        return paired_difference(list(compress(before, chosen)), list(compress(after, chosen)))

    return RoundFigures(
        accuracy=_rate(after),
        gain=paired_difference(before, after),
        gain_easier=gain(lambda level: level < HARDER_FROM),
        gain_harder=gain(lambda level: level >= HARDER_FROM),
        repaired=_rate([now for was, now in zip(before, after, strict=True) if not was]),
        broken=_rate([not now for was, now in zip(before, after, strict=True) if was]),
    )


def _tokens_of_round(greedy: Sequence[Reply], critiques: Sequence[Reply], refined: dict[int, Reply]) -> float | None:
    """Give the mean tokens per problem, prompts included; None if the usage of a call is unknown."""
    usages = [reply.call.usage for reply in (*greedy, *critiques, *refined.values())]
    if any(usage.unknown_calls for usage in usages):
        return None
    return sum(usage.total_tokens for usage in usages) / len(greedy)


def _vote_figures(
    exercises: Sequence[Exercise],
    pool: list[list[Reply]],
    tokens_of_round: float | None,
    after: list[bool],
    seed: int,
) -> VoteFigures | None:
    if tokens_of_round is None:
        return None
    per_answer = fmean(reply.call.usage.total_tokens for answers in pool for reply in answers)
    votes = ceil(tokens_of_round / per_answer)
    if votes > len(pool):
        return None
    rng = random.Random(seed)
    ballots = zip(*(map(boxed_answer, (reply.text for reply in answers)) for answers in pool[:votes]), strict=True)
    is_correct = [_majority(ballot, rng) == e.problem.answer for ballot, e in zip(ballots, exercises, strict=True)]
    spent = fmean(reply.call.usage.total_tokens for answers in pool[:votes] for reply in answers)
    return VoteFigures(
        votes=votes,
        accuracy=_rate(is_correct),
        round_gains=paired_difference(is_correct, after),
        tokens_of_vote=votes * spent,
        tokens_of_round=tokens_of_round,
    )


def _majority(ballot: Sequence[str | None], rng: random.Random) -> str | None:
    """Give the most frequent answer; ties are broken at random."""
    counts = Counter(answer for answer in ballot if answer is not None)
    leaders = [answer for answer, count in counts.items() if count == max(counts.values())]
    return rng.choice(leaders) if leaders else None


def _by_level(exercises: Sequence[Exercise], outcomes: list[bool]) -> dict[int, Rate]:
    levels = [len(e.operations) for e in exercises]
    return {level: _rate([o for o, its in zip(outcomes, levels, strict=True) if its == level]) for level in LEVELS}


def _rate(outcomes: Sequence[bool]) -> Rate:
    return wilson(sum(outcomes), len(outcomes))
