"""Settings of one invocation of a graph, as LangGraph `Context` schemas.

    GraphSettings ─► LoopContext ─► ChainContext ─► Context     the actor-critic loop
                                 ─► JudgeContext                the critic's judgement of one response
                                 ─► SelfTalkContext             self-talk
                  ─► GenerationContext                          critique data

The verbs' settings inherit from these, so that a flag, a key of a YAML file and a field of a context are one thing.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from critique_graph.core.paths import ErrorType, PathSource, Until
from critique_graph.core.schema import Gate, Role, VoteRule
from critique_graph.core.settings import DATA, MODELS, SAMPLING, Settings
from critique_graph.core.verdicts import MAJORITY, SEVERAL_TEMPERATURE, Agreement

CritiqueForm = Literal["auto", "text", "json", "prefill"]
"""Form in which a critic is asked for its critique."""
ModelName = Annotated[str | None, Field(json_schema_extra={"langgraph_type": "model"}), MODELS]


class Sampling(NamedTuple):
    """How one role's model is called."""

    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class LoopRules:
    """What the nodes of the loop go by, in every graph that plays it."""

    samples: int
    rounds: int
    gate: Gate = "when_wrong"
    vote: VoteRule = "majority"
    token_budget: int | None = None
    vote_bare: bool = True
    critiques: int = 1
    agree: str = MAJORITY
    abstain_below: float | None = None
    keep_original: bool = False
    refine_best: int | None = None
    refinements: int = 1

    def __post_init__(self) -> None:
        if self.refine_best is not None and (self.gate != "when_wrong" or self.keep_original):
            raise ValueError(
                "refine_best goes with the gate when_wrong, and without keep_original: no original is lost"
            )

    @property
    def needs_verdicts(self) -> bool:
        """True when a verdict on every final response is needed, refined ones included."""
        return self.rounds > 0 and (self.keep_original or self.vote in ("critic_weighted", "critic_filtered"))


class GraphSettings(Settings):
    """What all graphs can be set to; a setting that an invocation leaves out keeps the value of the graph."""

    actor: ModelName = None
    """Model that solves and refines, as `provider:name`; empty: the model the graph was created with."""
    max_tokens: Annotated[int, SAMPLING] = Field(default=1024, ge=1)
    """Maximum number of tokens of one response."""
    seed: Annotated[int, SAMPLING] = 0
    """Root seed: every call's seed and every random choice derive from it, the problem's id and the place in the
    graph."""
    critique_form: Annotated[CritiqueForm, SAMPLING] = "auto"
    """How critiques are asked for: as `text` in the fixed format; as `json` that must fit a schema with one item per
    step; as `prefill`, JSON that is written for the model, which fills in its explanations and verdicts; `auto`, as
    text from a model that this package trained, else as JSON, prefill or text, the first that the model masters. All
    are put into the fixed format. A trained model behind a server does better with `text`."""

    @abstractmethod
    def sampling(self, role: Role) -> Sampling:
        """Give the temperature and the token limit of a role's calls."""

    @classmethod
    def keywords(cls, settings: Self) -> dict[str, Any]:
        """Give the settings of this class as keywords of a graph's factory, which takes the models by themselves."""
        return settings.model_dump(include=set(cls.model_fields) - set(get_args(Role)))


class LoopContext(GraphSettings):
    """Settings of every graph in which a critic judges an actor's responses."""

    critic: ModelName = None
    """Model that judges every step, as `provider:name`; empty: the model the graph was created with."""
    critic_temperature: Annotated[float, SAMPLING] = Field(default=0.0, ge=0, le=5)
    """Sampling temperature of the critic."""
    critic_max_tokens: Annotated[int, SAMPLING] = Field(default=1536, ge=1)
    """Maximum number of tokens of one critique, its reasoning included."""
    retry_unreadable: Annotated[int, SAMPLING] = Field(default=0, ge=0, le=4)
    """Number of times that a critique which cannot be read is asked for again, at a temperature of 0.7 or more."""

    @property
    @abstractmethod
    def rules(self) -> LoopRules:
        """What the nodes of the loop go by."""

    @property
    def is_critic_heated(self) -> bool:
        """True when the critic's temperature is raised: several greedy critiques would be copies of one."""
        return self.rules.critiques > 1 and self.critic_temperature == 0

    @property
    def critic_sampling(self) -> Sampling:
        """The temperature and the token limit of the critic's calls."""
        temperature = SEVERAL_TEMPERATURE if self.is_critic_heated else self.critic_temperature
        return Sampling(temperature, self.critic_max_tokens)


class ChainContext(LoopContext):
    """Settings of graphs of independent chains, each a response with its rounds."""

    samples: Annotated[int, SAMPLING] = Field(default=1, ge=1, le=4096)
    """Number of chains: independent responses, each with its own rounds of critique and refinement."""
    rounds: Annotated[int, SAMPLING] = Field(default=1, ge=0, le=100)
    """Maximum number of critique-and-refinement rounds per chain; 0 is plain sampling."""
    temperature: Annotated[float | None, SAMPLING] = Field(default=None, ge=0, le=5)
    """Sampling temperature of the actor; empty: 0 for one sample, 0.7 for several."""

    @property
    def actor_temperature(self) -> float:
        """The actor's temperature in force: several greedy samples would be copies of one."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if self.samples == 1 else 0.7

    @property
    def rules(self) -> LoopRules:
        """What the nodes of the loop go by."""
        return LoopRules(self.samples, self.rounds)

    def sampling(self, role: Role) -> Sampling:
        """Give the temperature and the token limit of a role's calls."""
        if role == "critic":
            return self.critic_sampling
        return Sampling(self.actor_temperature, self.max_tokens)


class Context(ChainContext):
    """Settings of the actor-critic loop; what is left out keeps the value the graph was created with."""

    gate: Annotated[Gate, SAMPLING] = "when_wrong"
    """Which responses are refined: `when_wrong`, those the critic calls wrong; `always`, all (the paper's protocol);
    `oracle`, those the reference calls wrong (an upper bound, not a method)."""
    vote: Annotated[VoteRule, SAMPLING] = "majority"
    """How the chains' answers become one: `majority`, `critic_weighted`, `critic_filtered` (only chains judged
    correct), `first` (chain 0 before any critique), `final` (chain 0 after its last round)."""
    vote_bare: Annotated[bool, SAMPLING] = True
    """Whether a bare refinement, one line with an answer, may win the vote; if not, the response before it votes. Of
    18 bare refinements of Qwen2.5-Coder-0.5B on GSM8K, none made a correct answer wrong or a wrong one correct."""
    token_budget: Annotated[int | None, SAMPLING] = Field(default=None, ge=1)
    """Number of tokens after which a problem starts no new critique or refinement; empty: no bound."""
    critiques: Annotated[int, SAMPLING] = Field(default=1, ge=1, le=64)
    """Number of critiques of a response in each round. Several need a critic_temperature above 0, and have 0.7 in the
    place of 0."""
    agree: Annotated[Agreement, SAMPLING] = MAJORITY
    """Rule that makes one verdict of several critiques: a response is wrong if `any_wrong` says so, if a `majority`
    does, `all_wrong`, or a share of at least P, `threshold:P`. Half are a majority. A critique without a readable
    verdict does not count."""
    abstain_below: Annotated[float | None, SAMPLING] = Field(default=None, ge=0, le=1)
    """Share of the critiques that have to share the verdict: a response with fewer is not refined; empty: every share
    is enough. A critique that failed or cannot be read shares no verdict."""
    keep_original: Annotated[bool, SAMPLING] = False
    """Whether a refinement is critiqued, too, and counts only if more critiques call it correct than the response
    before it; otherwise the chain ends with that response."""
    refine_best: Annotated[int | None, SAMPLING] = Field(default=None, ge=1, le=4096)
    """Number of responses that are refined in each round: of a pool, the best of those that are called wrong. Every
    refinement joins the pool, which votes as a whole. Empty: each chain refines its own response."""
    refinements: Annotated[int, SAMPLING] = Field(default=1, ge=1, le=64)
    """Maximum number of refinements of a response of the pool, each told another critique that calls it wrong."""

    @property
    def rules(self) -> LoopRules:
        """What the nodes of the loop go by."""
        return LoopRules(
            samples=self.samples,
            rounds=self.rounds,
            gate=self.gate,
            vote=self.vote,
            token_budget=self.token_budget,
            vote_bare=self.vote_bare,
            critiques=self.critiques,
            agree=self.agree,
            abstain_below=self.abstain_below,
            keep_original=self.keep_original,
            refine_best=self.refine_best,
            refinements=self.refinements,
        )

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        _ = self.rules
        return self


class JudgeContext(LoopContext):
    """Settings of the graph in which the critic judges one response."""

    temperature: Annotated[float, SAMPLING] = Field(default=0.0, ge=0, le=5)
    """Sampling temperature of the actor, where it writes the response."""
    critiques: Annotated[int, SAMPLING] = Field(default=1, ge=1, le=64)
    """Number of critiques of a response. Several give its verdict a confidence; they need a critic_temperature above 0,
    and have 0.7 in the place of 0."""
    agree: Annotated[Agreement, SAMPLING] = MAJORITY
    """Rule that makes one verdict of several critiques: a response is wrong if `any_wrong` says so, if a `majority`
    does, `all_wrong`, or a share of at least P, `threshold:P`."""

    @property
    def rules(self) -> LoopRules:
        """What the nodes of the loop go by."""
        return LoopRules(samples=1, rounds=1, gate="always", vote="first", critiques=self.critiques, agree=self.agree)

    def sampling(self, role: Role) -> Sampling:
        """Give the temperature and the token limit of a role's calls."""
        if role == "critic":
            return self.critic_sampling
        return Sampling(self.temperature, self.max_tokens)


class GenerationContext(GraphSettings):
    """Settings of the graphs that make critique data. The paper does not give these values: the defaults are ours."""

    annotator: ModelName = None
    """Model that writes the critiques, with hints no critic gets; empty: the model the graph was created with."""
    corruptor: ModelName = None
    """Model that inserts an error (RG3), or `exact`: arithmetic alone; empty: the one the graph was created with."""
    strategies: Annotated[tuple[PathSource, ...], DATA] = ("rg1", "rg2", "rg3", "correct")
    """How paths are made: `rg1`, sampled wrong; `rg2`, cut after a step and continued at rising temperature; `rg3`,
    continued from an inserted error; `correct`, sampled correct."""
    paths: Annotated[int, DATA] = Field(default=2, ge=1, le=64)
    """Maximum number of paths per strategy that a problem goes on with."""
    samples: Annotated[int, SAMPLING] = Field(default=8, ge=1, le=512)
    """Number of responses sampled per problem, for `rg1` and `correct` and as templates of `rg2` and `rg3`."""
    attempts: Annotated[int, SAMPLING] = Field(default=4, ge=1, le=64)
    """Maximum number of paths tried for `rg2`, and as many for `rg3`; no more are tried once there are `paths`."""
    from_solutions: Annotated[bool, DATA] = False
    """Let paths of `rg2` and `rg3` begin with a part of the data set's worked solution where no sampled response with
    two steps is correct, so that problems which the actor never solves have such paths, too; that part is not the
    actor's text."""
    temperature: Annotated[float, SAMPLING] = Field(default=1.0, ge=0, le=5)
    """Sampling temperature of the actor's first responses."""
    rise_from: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Temperature of the first step that `rg2` writes after the cut."""
    rise: Annotated[float, SAMPLING] = Field(default=0.1, ge=0, le=5)
    """Amount by which `rg2` raises the temperature at each further step."""
    rise_to: Annotated[float, SAMPLING] = Field(default=1.3, ge=0, le=5)
    """Highest temperature that `rg2` reaches."""
    rollouts: Annotated[int, SAMPLING] = Field(default=4, ge=0, le=64)
    """Number of continuations of an `rg2` path from before and from after its first new step, which show whether that
    step is wrong; 0: none, and the place of the error stays unknown."""
    error_types: Annotated[tuple[ErrorType, ...], DATA] = get_args(ErrorType)
    """Types of error that `rg3` inserts."""
    annotate_until: Annotated[Until, DATA] = "first_error"
    """Place where a critique ends: at the `first_error`, or after `all_steps`."""
    critiques: Annotated[int, DATA] = Field(default=1, ge=1, le=16)
    """Number of critiques per path, each a record of its own: several show which ones help more (`train
    critic-preference`). They differ by `annotator_temperature`."""
    refinements: Annotated[int, DATA] = Field(default=8, ge=0, le=512)
    """Maximum number of refinements with the critique, and as many without, by which a critique is kept or dropped;
    they stop once that is certain. 0: every critique that agrees with what is known is kept, unlike in the paper, for
    an actor that is too weak to refine."""
    max_refinements: Annotated[int, DATA] = Field(default=0, ge=0, le=512)
    """Largest number to which `refinements` is doubled while it is open whether the critique of a wrong path helps; it
    is then kept with an error of 5 %. 0: `refinements` are enough, and more correct ones than without the critique."""
    refine_temperature: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of refinements, of the continuations of `rg3`, and of the rollouts of `rg2`."""
    min_right: Annotated[int, DATA] = Field(default=2, ge=1)
    """Number of correct refinements that the critique of a wrong path needs to be kept; there must also be more than
    without the critique. Of a correct path, all refinements but one must stay correct."""
    refuse_answers: Annotated[bool, DATA] = False
    """Drop a critique that states the reference answer where no equation in it has that value, as a leak, too."""
    annotator_max_tokens: Annotated[int, SAMPLING] = Field(default=1536, ge=1)
    """Maximum number of tokens of one critique, its reasoning included, and of one inserted error."""
    annotator_temperature: Annotated[float, SAMPLING] = Field(default=0.0, ge=0, le=5)
    """Sampling temperature of critiques and of inserted errors."""

    def sampling(self, role: Role) -> Sampling:
        """Give the temperature and the token limit of a role's calls."""
        if role == "actor":
            return Sampling(self.refine_temperature, self.max_tokens)
        return Sampling(self.annotator_temperature, self.annotator_max_tokens)

    @model_validator(mode="after")
    def _check_min_right(self) -> Self:
        if self.min_right > self.refinements > 0:
            raise ValueError(f"min_right ({self.min_right}) must not be more than refinements ({self.refinements})")
        if self.max_refinements and not 0 < self.refinements <= self.max_refinements:
            raise ValueError(f"max_refinements ({self.max_refinements}) needs refinements from 1 to that number")
        if self.critiques > 1 and self.annotator_temperature == 0:
            raise ValueError(f"{self.critiques} critiques of a path need an annotator_temperature above 0")
        return self


class SelfTalkContext(LoopContext):
    """Settings of the graph that makes self-talk. The paper does not give these values: the defaults are ours."""

    smoother: ModelName = None
    """Model that rewrites the talk, or `exact`: as it stands; empty: the one the graph was created with."""
    samples: Annotated[int, SAMPLING] = Field(default=2, ge=1, le=512)
    """Number of paths per problem; each becomes a talk, or is dropped."""
    temperature: Annotated[float, SAMPLING] = Field(default=1.0, ge=0, le=5)
    """Sampling temperature of the actor's first responses."""
    repairs: Annotated[int, SAMPLING] = Field(default=4, ge=1, le=64)
    """Maximum number of repairs per path; a path that is judged wrong after them is dropped."""
    repair_temperature: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of the repairs."""
    reasoning: Annotated[bool, DATA] = False
    """Splice what the critic thought before its critique, too: for each step, where it numbers them; a small critic
    judges by it."""
    smoother_temperature: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of the smoother."""
    smoother_max_tokens: Annotated[int, SAMPLING] = Field(default=2048, ge=1)
    """Maximum number of tokens of one smoothed talk, its reasoning included."""

    @property
    def rules(self) -> LoopRules:
        """What the nodes of the loop go by."""
        return LoopRules(self.samples, rounds=self.repairs)

    def sampling(self, role: Role) -> Sampling:
        """Give the temperature and the token limit of a role's calls."""
        match role:
            case "critic":
                return self.critic_sampling
            case "smoother":
                return Sampling(self.smoother_temperature, self.smoother_max_tokens)
            case _:
                return Sampling(self.temperature, self.max_tokens)
