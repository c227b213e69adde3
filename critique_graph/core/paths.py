"""The records of critique data: paths, what is known of their errors, and why they are kept or dropped."""

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from critique_graph.core.schema import Call, Critique, Failure, Record, Response, Usage

PathSource = Literal["rg1", "rg2", "rg3", "correct"]
ErrorType = Literal[
    "calculation_error",
    "counting_error",
    "referencing_context_value_error",
    "referencing_previous_step_value_error",
    "unit_conversion_error",
    "operator_error",
    "missing_step",
    "confusing_formula_error",
    "adding_irrelevant_information",
]
TemplateSource = Literal["sample", "reference"]
Until = Literal["first_error", "all_steps"]
FunnelStage = Literal["paths", "annotate", "filter"]
PATH_SOURCES: tuple[PathSource, ...] = get_args(PathSource)
FUNNEL_STAGES: tuple[FunnelStage, ...] = get_args(FunnelStage)
PathDropReason = Literal[
    # paths
    "answer_right",  # the path should be flawed, but its answer equals the reference
    "answer_wrong",  # the path should be correct, but its answer is not
    "ungraded",  # the answer cannot be read, or cannot be compared
    "truncated",  # the token limit cut the path off
    "duplicate",  # the same text as an earlier path of the problem, or an earlier critique of the path
    "enough",  # the problem already has the requested number of paths of the strategy
    "not_corrupted",  # the corruptor did not change the step
    # annotate
    "unreadable",  # the critique has no readable verdict, or not every step is one of the path's
    "verdict_disagrees",  # the final verdict contradicts the reference
    "step_disagrees",  # the first step judged wrong is not the step known to be wrong
    "leak",  # the critique mentions the hints or gives the reference answer away, which only the annotator knows
    # filter
    "too_few_right",  # too few refinements with the critique are correct
    "no_lift",  # refinements with the critique are not correct more often than those without it
    "unsure_lift",  # it stays open whether refinements with the critique are correct more often (`max_refinements`)
    "does_harm",  # too many refinements of a correct path are wrong
    # any
    "failed",  # a model call failed for good
]


class KnownError(Record):
    """What is known about the error of a flawed path, besides the fact that its answer is wrong."""

    step: int | None = None
    """0-based index of the first wrong step, among the steps that `split_steps` gives."""
    type: ErrorType | None = None
    description: str | None = None
    """Description of the change, for the annotator."""


class Trial(Record):
    """Refinements of a path with its critique, and of wrong ones without it: the evidence of the Monte-Carlo filter.

    Fewer refinements than asked for are made when the decision is certain before the last one.
    """

    asked: int
    """Maximum number of refinements with the critique, and of those without it; doubled while the decision was open, if
    it may be (`max_refinements`)."""
    tried: int
    """Number of refinements that were made with the critique."""
    tried_without: int
    """Number of refinements that were made without it: none of a correct path, or where those with it do not help."""
    right_with: int
    right_without: int
    refinement: str | None = None
    """The first correct refinement with the critique."""

    @model_validator(mode="before")
    @classmethod
    def _with_both_counts(cls, given: Any) -> Any:
        """Take one count for both if the record was written when as many were made with the critique as without."""
        if isinstance(given, dict) and "tried_without" not in given:
            return {**given, "tried_without": given.get("tried")}
        return given


class Drop(Record):
    """Where and why a path left the funnel."""

    stage: FunnelStage
    reason: PathDropReason


class ReasoningPath(Record):
    """One path that critiques are written about, flawed or correct, and everything that was done with it."""

    name: str
    """Unique name within the problem, e.g. `rg2-0`, or `rg2-0.1` with a second critique; the key of its calls."""
    critique_number: int = 0
    """0-based number of the critique among the critiques of the same path."""
    strategy: PathSource
    template: TemplateSource | None = None
    """What a path of rg2 or rg3 begins with: a part of a correct `sample` of the actor, or of the `reference` solution;
    None for a sampled path."""
    response: Response | None = None
    """The path's text; None only when a call failed or the corruptor wrote nothing."""
    known: KnownError = KnownError()
    critique: Critique | None = None
    calls: tuple[Call, ...] = ()
    """Calls other than those of the response and its refinements: the corruptor's and then the annotator's."""
    usage: dict[str, Usage] = Field(default_factory=dict)
    """What was used for this path, by role: for its text, its critique and its refinements."""
    trial: Trial | None = None
    drop: Drop | None = None
    failure: Failure | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_critique_number(cls, given: Any) -> Any:
        """Derive the number from `name` if the path was written before paths had the field."""
        if isinstance(given, dict) and "critique_number" not in given:
            number = str(given.get("name")).partition(".")[2]
            return {**given, "critique_number": int(number) if number.isdecimal() else 0}
        return given

    @property
    def path_name(self) -> str:
        """The part of the name that all critiques of one path share."""
        return self.name.removesuffix(f".{self.critique_number}") if self.critique_number else self.name

    @property
    def critique_reasoning(self) -> str | None:
        """What the annotator wrote before the critique; the annotator's call is the last one."""
        return None if self.critique is None else self.calls[-1].reasoning

    def dropped(self, stage: FunnelStage, reason: PathDropReason, failure: Failure | None = None) -> "ReasoningPath":
        """Give this path marked as dropped."""
        return self.model_copy(update={"drop": Drop(stage=stage, reason=reason), "failure": failure})
