"""The records that the rest of the package passes around: problems, responses, critiques, chains, traces.

All are frozen pydantic models. Graph state holds their plain JSON form (`model_dump(mode="json")`), because LangGraph
will refuse to restore custom classes. Readers ignore fields they do not know.
"""

from collections.abc import Iterable
from operator import attrgetter, not_
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from critique_graph.core.reasons import CUT_REASONS, ChainStop, FailureKind
from critique_graph.core.steps import split_steps

TRACE_SCHEMA = "critique-graph.trace/1"

Verdict = Literal["correct", "wrong"]
Role = Literal["actor", "critic", "annotator", "corruptor", "smoother", "grader"]
Gate = Literal["when_wrong", "always", "oracle"]
VoteRule = Literal["majority", "critic_weighted", "critic_filtered", "first", "final"]


def is_none(value: object) -> bool:
    """Tell whether a field is absent: one that says `exclude_if=is_none` is then not written."""
    return value is None


class Record(BaseModel):
    """Base of every record: frozen, and unknown fields of newer versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(Record):
    """A question, with its reference answer where one is known."""

    id: str
    question: str
    answer: str | None = Field(default=None, coerce_numbers_to_str=True)
    """The reference answer; a number is taken as text."""
    level: int | None = None
    source: str | None = None
    solution: str | None = Field(default=None, exclude_if=is_none)
    """The worked solution, where it was asked for; no prompt contains it, but paths may begin with a part of it. It is
    written only where it is there: a hash of a problem is what it was before problems had the field."""

    def to_input(self) -> dict[str, JsonValue]:
        """Give the input of a graph."""
        solution: dict[str, JsonValue] = {} if self.solution is None else {"solution": self.solution}
        return {"id": self.id, "question": self.question, "reference": self.answer, **solution}


class Usage(Record):
    """Tokens used by a number of calls. Unknown is not zero: calls without figures are counted apart."""

    calls: int = 0
    unknown_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input plus output tokens of the calls whose usage is known."""
        return self.input_tokens + self.output_tokens

    @classmethod
    def sum(cls, usages: Iterable["Usage"]) -> "Usage":
        """Add up what several calls have used."""
        used = list(usages)
        return cls(**{name: sum(map(attribute, used)) for name, attribute in _COUNTED.items()})

    def __add__(self, other: "Usage") -> "Usage":
        return Usage.sum((self, other))


_COUNTED = {name: attrgetter(name) for name in Usage.model_fields}


class Call(Record):
    """How a text was produced: by which model, with which seed, at what cost."""

    model: str
    """The model; one in a folder by the folder's name and a hash of its weights, `hf:critic@3f2a90c41b7e`."""
    seed: int | None = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    started: float | None = None
    """Unix time at which the last attempt began."""
    seconds: float = 0.0
    """Duration of the last attempt, waiting for the engine included."""
    attempts: int = 1
    reasoning: str | None = None
    """What the model wrote before its answer (a reasoning field or a `<think>` block); never parsed."""

    @property
    def is_truncated(self) -> bool:
        """True when the token limit, a filter or our own bound cut the text off, or nothing says that it is whole."""
        return self.finish_reason is not None and self.finish_reason.lower() in CUT_REASONS


class Failure(Record):
    """A model call that failed for good."""

    kind: FailureKind
    message: str
    attempts: int = 1


class Reply(Record):
    """One finished model call: the text without its reasoning, and how it was produced."""

    text: str
    call: Call


class Grade(Record):
    """Whether an answer equals the reference. `ungraded` is never counted as incorrect."""

    outcome: Literal["correct", "incorrect", "ungraded"]
    reason: str | None = None
    """Why an answer is ungraded, or how the grade was decided, e.g. `no_answer`, `timeout`, `too_complex`."""

    @property
    def is_correct(self) -> bool:
        return self.outcome == "correct"


class Response(Record):
    """One answer of the actor to a question; a refinement is one too."""

    text: str
    answer: str | None
    """The final answer read from `text`; None when the text presents none."""
    call: Call
    grade: Grade | None = None
    own_steps: tuple[str, ...] | None = Field(default=None, exclude_if=is_none)
    """The steps that a critic judges, where a task splits responses in its own way; None: those of `split_steps`."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that a critic judges: verbatim slices of `text`, in order."""
        return split_steps(self.text) if self.own_steps is None else self.own_steps

    @property
    def is_truncated(self) -> bool:
        """True when the response was cut off, e.g. by the token limit: it never counts as an answer or as data."""
        return self.call.is_truncated

    @property
    def complete_answer(self) -> str | None:
        """The answer; None if the response is cut off."""
        return None if self.is_truncated else self.answer

    @property
    def is_bare(self) -> bool:
        """True when the response is one line with an answer: it does not show its work."""
        return self.answer is not None and len(self.text.strip().splitlines()) == 1

    def replaces(self, before: "Response") -> bool:
        """Say whether this refinement counts instead of the response that it refines.

        It does not if it is cut off, or if it has no readable answer where the response before has one.
        """
        return not self.is_truncated and (self.answer is not None or before.answer is None)

    @property
    def is_correct(self) -> bool | None:
        """Whether this is a complete response whose answer equals the reference; None when it is not graded."""
        if self.grade is None or self.grade.outcome == "ungraded":
            return None
        return self.grade.is_correct and not self.is_truncated


class StepVerdict(Record):
    """The critic's judgement of one step."""

    text: str
    """The step as the critic repeated it."""
    verdict: Verdict | None
    explanation: str = ""
    step_index: int | None = None
    """0-based index of the response's step that is judged; None when no step matches."""


class Critique(Record):
    """A critique's text, and what could be read from it. Parsing never fails, whatever the text."""

    text: str
    steps: tuple[StepVerdict, ...] = ()
    final: Verdict | None = None
    final_explanation: str = ""
    first_error: int | None = None
    """0-based position in `steps` of the first step judged wrong; None when there is none."""
    warnings: tuple[str, ...] = ()
    quality: Literal["nominal", "tolerated", "partial", "unparsed"] = "unparsed"
    """`nominal`: the exact format; `tolerated`: everything was read, with warnings; `partial`: some part is missing;
    `unparsed`: no verdict at all."""

    @property
    def first_wrong_step(self) -> int | None:
        """0-based index of the response's first step that is judged wrong; None when there is no such step."""
        return None if self.first_error is None else self.steps[self.first_error].step_index

    @property
    def is_readable(self) -> bool:
        """True when the critique has a final verdict and steps, and every step is judged and found in the response."""
        return (
            self.final is not None
            and len(self.steps) > 0
            and all(step.verdict is not None and step.step_index is not None for step in self.steps)
        )


class Judgement(Record):
    """A critique of a response, and the call that wrote it."""

    critique: Critique
    call: Call


class Round(Judgement):
    """A critique, and the refinement written after reading it (None when the chain stopped there).

    Where there are several critiques of the response, it is the one that stands for all of them: its verdict is that of
    the rule (`core/verdicts.py`). What few rounds have is written only where it is there.
    """

    others: tuple[Judgement, ...] = Field(default=(), exclude_if=not_)
    """The other critiques of the same response, in the order in which they were asked for."""
    failures: tuple[Failure, ...] = Field(default=(), exclude_if=not_)
    """The calls for critiques of the same response that failed; the rule works on the rest."""
    refinement: Response | None = None
    discarded: tuple[Response, ...] = ()
    """Refinements drawn before `refinement` and not kept, when several are drawn with one critique."""
    evidence: str = Field(default="", exclude_if=not_)
    """What the critic was told of the response's grade, beside the problem; empty: nothing, as in most tasks."""
    is_edited: bool = False
    """Whether the critique was changed in an application's stored state after the critic wrote it."""
    is_preferred: bool | None = Field(default=None, exclude_if=is_none)
    """Whether more critiques call the refinement correct than the response before it; False until that is known, None
    where it is not asked (`keep_original`)."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """All critiques of the response, beginning with the one that stands for them."""
        return (self, *self.others)

    @property
    def approvals(self) -> int:
        """Number of critiques that call the response correct."""
        return sum(given.critique.final == "correct" for given in self.judgements)

    @property
    def confidence(self) -> float:
        """Share of the critiques that have the verdict; those that failed or cannot be read do not have it."""
        if self.critique.final is None:
            return 0.0
        agreeing = sum(given.critique.final == self.critique.final for given in self.judgements)
        return agreeing / (len(self.judgements) + len(self.failures))

    def kept(self, before: Response | None) -> Response | None:
        """Give the response that counts after this round on `before`: the refinement if it replaces that."""
        return before if self.is_preferred is False else self.judged_next(before)

    def judged_next(self, before: Response | None) -> Response | None:
        """Give the response that the critic judges after this round on `before`."""
        is_replaced = self.refinement is not None and (before is None or self.refinement.replaces(before))
        return self.refinement if is_replaced else before


class Chain(Record):
    """One sampled response and its rounds; in a pool (`refine_best`), any response and its critiques."""

    index: int
    parent: int | None = Field(default=None, exclude_if=is_none)
    """Index of the chain whose response the first one refines, in a pool; None for a sample."""
    told: int | None = Field(default=None, exclude_if=is_none)
    """Place, among the critiques of the parent's response, of the one that the refinement was told."""
    response: Response | None = None
    """The first response; None only when its call failed."""
    rounds: tuple[Round, ...] = ()
    stop: ChainStop | None = None
    failure: Failure | None = None

    @property
    def responses(self) -> tuple[Response, ...]:
        """The first response and every refinement, in order."""
        refinements = (r.refinement for r in self.rounds if r.refinement is not None)
        return (*((self.response,) if self.response else ()), *refinements)

    @property
    def latest(self) -> Response | None:
        """The response that counts for the chain: the first one, or the last refinement that replaces one."""
        for turn in reversed(self.rounds):  # what has an answer and is whole counts, whatever was before it
            if turn.is_preferred is not False and turn.refinement and turn.refinement.complete_answer is not None:
                return turn.refinement
        counts = self.response
        for turn in self.rounds:
            counts = turn.kept(counts)
        return counts

    @property
    def candidate(self) -> Response | None:
        """The response that the critic judges next: the latest, or a refinement that does not count yet."""
        return self.rounds[-1].judged_next(self.latest) if self.rounds else self.response

    @property
    def verdict(self) -> Verdict | None:
        """The critic's verdict on the latest response; None when it was not critiqued or not parsed."""
        verdict, latest, judged = None, self.latest, self.response
        for turn in self.rounds:
            if judged is latest:
                verdict = turn.critique.final
            judged = turn.judged_next(judged)
        return verdict

    def usage(self, role: Role) -> Usage:
        """Tokens this chain used in `role`, over all rounds."""
        discarded = [response for r in self.rounds for response in r.discarded]
        critiques = [judgement for r in self.rounds for judgement in r.judgements]
        made = (*self.responses, *discarded) if role == "actor" else critiques
        return Usage.sum(written.call.usage for written in made)


class BallotEntry(Record):
    """One group of mathematically equal answers."""

    answer: str
    weight: float
    chains: tuple[int, ...]


class Ballot(Record):
    """How the answer was chosen. Unparsed chains are listed, and count in the denominator of every share."""

    rule: VoteRule
    entries: tuple[BallotEntry, ...] = ()
    unparsed: tuple[int, ...] = ()
    """Chains without a readable answer."""
    excluded: tuple[int, ...] = ()
    """Chains that the rule left out (`critic_filtered`: chains judged wrong)."""
    winner: str | None = None
    is_tie: bool = False
    """True when the seeded tie rule decided."""


class RoundChanges(Record):
    """What one round did to a problem. It needs no reference."""

    round: int
    """1 is the first critique and refinement of every chain."""
    critiques: int
    """Number of responses that were critiqued; several critiques of one have one verdict."""
    said_wrong: int
    """Number of critiques whose final verdict is wrong."""
    refinements: int
    """Number of refinements that replaced the response they refine."""
    changed: int
    """Number of refinements whose answer is another than that of the response they refine."""
    is_vote_moved: bool
    """True when the most frequent answer of all chains is another than before the round."""


class Trace(Record):
    """Everything that happened to one problem (format `critique-graph.trace/1`)."""

    schema_: Literal["critique-graph.trace/1"] = Field(default="critique-graph.trace/1", alias="schema")
    problem: Problem
    graph: str
    settings: dict[str, JsonValue]
    prompts: str | None = None
    """Hash of the prompts' wording, as in the run's manifest; `settings` has the text, unless it is the default."""
    chains: tuple[Chain, ...]
    ballot: Ballot
    answer: str | None
    correct: bool | None
    """Whether the answer is correct; None when there is no reference or the answer could not be graded."""
    grade: Grade | None = None
    usage: dict[str, Usage]
    """Tokens by role, under the keys `actor`, `critic` and `total`."""
    changes: tuple[RoundChanges, ...] = ()
    """What every round did; empty in traces of earlier versions, and where nothing was critiqued."""
    seconds: float
    greedy: Response | None = None
    """`compare` only: the response at temperature 0."""
    retries: tuple[Response | None, ...] = ()
    """`compare` only: a refinement without a critique of every chain's first response; None if that was cut off."""
    uncritiqued: tuple[Response, ...] = ()
    """`compare` only: further responses like the chains' first ones, for the votes without a critic."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @property
    def task(self) -> str:
        """Name of the problem's task; traces of versions that knew mathematics alone do not record it."""
        return str(self.settings.get("task", "math"))
