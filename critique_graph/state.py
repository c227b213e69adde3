"""State and settings of the graphs: plain JSON types, so that any checkpointer can restore them."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from critique_graph.schema import Chain, Gate, VoteRule


class ActorCriticInput(TypedDict):
    """What a caller gives."""

    question: str
    reference: NotRequired[str | None]
    """Read by the grader alone, and by the gate `oracle`; no prompt ever contains it."""
    id: NotRequired[str]
    """Names the problem in seeds and journals; a hash of the question when absent."""


class ActorCriticState(ActorCriticInput):
    """What the nodes pass on. `chains` holds `Chain` records as JSON."""

    chains: NotRequired[list[dict[str, Any]]]


class ActorCriticOutput(TypedDict):
    """What a caller gets: `Chain`, `Ballot`, `Grade` and `Usage` records as JSON."""

    answer: str | None
    correct: bool | None
    grade: dict[str, Any] | None
    chains: list[dict[str, Any]]
    ballot: dict[str, Any]
    usage: dict[str, dict[str, Any]]


def problem_id(state: ActorCriticInput) -> str:
    """Give the problem's id; without one, a hash of the question stands in."""
    return state.get("id") or hashlib.sha256(state["question"].encode()).hexdigest()[:12]


def read_chains(state: ActorCriticState) -> list[Chain]:
    """Give the chains of a state as records."""
    return [Chain.model_validate(chain) for chain in state.get("chains", [])]


def write_chains(chains: Iterable[Chain]) -> dict[str, Any]:
    """Give the state update that stores `chains`."""
    return {"chains": [chain.model_dump(mode="json") for chain in chains]}


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
