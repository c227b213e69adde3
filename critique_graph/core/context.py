"""Settings of one invocation of a graph, as LangGraph `Context` schemas."""

from typing import Annotated, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from critique_graph.core.schema import ErrorType, Gate, Strategy, Until, VoteRule

ModelName = Annotated[str | None, Field(json_schema_extra={"langgraph_type": "model"})]


class Context(BaseModel):
    """Settings of one invocation; what is left out keeps the value the graph was created with."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    actor: ModelName = None
    """Model that solves and refines, as `provider:name`; empty: the model the graph was created with."""
    critic: ModelName = None
    """Model that judges every step, as `provider:name`; empty: the model the graph was created with."""
    samples: int = Field(default=1, ge=1, le=4096)
    """Chains: independent responses, each with its own rounds."""
    rounds: int = Field(default=1, ge=0, le=100)
    """Most critiques and refinements a chain; 0 is plain sampling."""
    gate: Gate = "when_wrong"
    """Which responses are refined: `when_wrong`, those the critic calls wrong; `always`, all (the paper's protocol);
    `oracle`, those the reference calls wrong (an upper bound, not a method)."""
    vote: VoteRule = "majority"
    """How the chains' answers become one: `majority`, `critic_weighted`, `critic_filtered` (only chains judged
    correct), `first` (chain 0 before any critique), `final` (chain 0 after its last round)."""
    temperature: float | None = Field(default=None, ge=0, le=5)
    """The actor's sampling temperature; empty: 0 for one sample, 0.7 for several."""
    critic_temperature: float = Field(default=0.0, ge=0, le=5)
    """The critic's sampling temperature."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of one response."""
    critic_max_tokens: int = Field(default=1536, ge=1)
    """Most tokens of one critique, its reasoning included."""
    token_budget: int | None = Field(default=None, ge=1)
    """No new critique or refinement starts once a problem has used this many tokens; empty: no bound."""
    seed: int = 0
    """Every call's seed and every tie is derived from this, the problem's id and the call's place in the graph."""

    @property
    def actor_temperature(self) -> float:
        """The temperature in force: several greedy samples would be copies of one."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if self.samples == 1 else 0.7

    @property
    def needs_verdicts(self) -> bool:
        """True when the vote needs a verdict on every final response, refined ones included."""
        return self.rounds > 0 and self.vote in ("critic_weighted", "critic_filtered")


class GenerationContext(BaseModel):
    """Settings of the graphs that make data. The paper does not give these values: the defaults are ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    actor: ModelName = None
    """Model that solves, continues and refines; empty: the one the graph was created with."""
    annotator: ModelName = None
    """Model that writes the critiques, with hints no critic gets; empty: the one the graph was created with."""
    corruptor: ModelName = None
    """Model that inserts an error (RG3), or `exact`: arithmetic alone; empty: the one the graph was created with."""
    strategies: tuple[Strategy, ...] = ("rg1", "rg2", "rg3", "correct")
    """How paths come about: `rg1`, sampled wrong; `rg2`, continued ever hotter from a cut; `rg3`, from an inserted
    error; `correct`, sampled right."""
    paths: int = Field(default=2, ge=1, le=64)
    """Paths of a strategy that a problem goes on with, at most."""
    samples: int = Field(default=8, ge=1, le=512)
    """Responses sampled for `rg1` and `correct`; also for the templates of the others."""
    attempts: int = Field(default=4, ge=1, le=64)
    """Paths tried of `rg2`, and of `rg3`."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of these samples."""
    rise_from: float = Field(default=0.7, ge=0, le=5)
    """`rg2`: temperature of the first step after the cut."""
    rise: float = Field(default=0.1, ge=0, le=5)
    """`rg2`: how much each further step adds."""
    rise_to: float = Field(default=1.3, ge=0, le=5)
    """`rg2`: the highest temperature."""
    rollouts: int = Field(default=4, ge=0, le=64)
    """`rg2`: continuations from before and from after the first new step, which show whether it is wrong; 0: none, and
    nothing is known of the place."""
    error_types: tuple[ErrorType, ...] = get_args(ErrorType)
    """`rg3`: errors to insert."""
    annotate_until: Until = "first_error"
    """Where a critique ends."""
    critiques: int = Field(default=1, ge=1, le=16)
    """Critiques of every path, each a record of its own: several show which ones help more (`train critic-preference`).
    They differ by `annotator_temperature`."""
    refinements: int = Field(default=8, ge=1, le=512)
    """Refinements with the critique, and as many without, by which a critique is kept or dropped."""
    refine_temperature: float = Field(default=0.7, ge=0, le=5)
    """Of these, of `rg3`'s continuations, and of the rollouts."""
    min_right: int = Field(default=2, ge=1)
    """Right refinements with the critique that it takes to keep one of a wrong path; there must also be more than
    without it. Of a right path, all refinements but one must stay right."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of one response."""
    annotator_max_tokens: int = Field(default=1536, ge=1)
    """Most tokens of one critique, its reasoning included, and of one inserted error."""
    annotator_temperature: float = Field(default=0.0, ge=0, le=5)
    """Of critiques and inserted errors."""
    seed: int = 0
    """Every call's seed and every choice is derived from this, the problem's id and the place in the graph."""

    @model_validator(mode="after")
    def _check_min_right(self) -> Self:
        if self.min_right > self.refinements:
            raise ValueError(f"min_right ({self.min_right}) must not be more than refinements ({self.refinements})")
        if self.critiques > 1 and self.annotator_temperature == 0:
            raise ValueError(f"{self.critiques} critiques of a path need an annotator_temperature above 0")
        return self


class SelfTalkContext(BaseModel):
    """Settings of the graph that makes self-talk. The paper does not give these values: the defaults are ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    actor: ModelName = None
    """Model that solves and repairs; empty: the one the graph was created with."""
    critic: ModelName = None
    """Model that judges every step; empty: the one the graph was created with."""
    smoother: ModelName = None
    """Model that rewrites the talk, or `exact`: as it stands; empty: the one the graph was created with."""
    samples: int = Field(default=2, ge=1, le=512)
    """Paths of a problem; each becomes a talk, or is dropped."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of these."""
    repairs: int = Field(default=4, ge=1, le=64)
    """Most repairs of a path; one that is judged wrong after them is given up."""
    repair_temperature: float = Field(default=0.7, ge=0, le=5)
    """Of these."""
    reasoning: bool = False
    """Splice what the critic thought before its critique, too: of each step, where it numbers them; a small critic
    judges by it."""
    critic_temperature: float = Field(default=0.0, ge=0, le=5)
    """The critic's."""
    smoother_temperature: float = Field(default=0.7, ge=0, le=5)
    """The smoother's."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of one response."""
    critic_max_tokens: int = Field(default=1536, ge=1)
    """Most tokens of one critique, its reasoning included."""
    smoother_max_tokens: int = Field(default=2048, ge=1)
    """Most tokens of one smoothed talk, its reasoning included."""
    seed: int = 0
    """Every call's seed is derived from this, the problem's id and the call's place in the graph."""
