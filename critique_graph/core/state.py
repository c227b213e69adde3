"""State and settings of the graphs: plain JSON types, so that any checkpointer can restore them."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from critique_graph.core.schema import Chain, ReasoningPath, Usage


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


class PoolState(ActorCriticState):
    """State of the graph that `compare` draws its pool with."""

    usage: NotRequired[dict[str, Any]]


class PoolOutput(ActorCriticOutput):
    """What it gives: the chains' records, and as JSON of `Response` and `Failure` what was done without a critic."""

    greedy: dict[str, Any] | None
    retries: list[dict[str, Any] | None]
    uncritiqued: list[dict[str, Any]]
    failures: list[dict[str, Any]]


class JudgeInput(ActorCriticInput):
    """What is given where the critic alone plays."""

    steps: NotRequired[list[str]]
    """The response to judge, step by step; without it the actor writes one."""


class JudgeState(JudgeInput, ActorCriticState):
    """State there."""


def problem_id(state: ActorCriticInput) -> str:
    """Give the problem's id; without one, a hash of the question stands in."""
    return state.get("id") or hashlib.sha256(state["question"].encode()).hexdigest()[:12]


def read_chains(state: ActorCriticState) -> list[Chain]:
    """Give the chains of a state as records."""
    return [Chain.model_validate(chain) for chain in state.get("chains", [])]


def write_chains(chains: Iterable[Chain]) -> dict[str, Any]:
    """Give the state update that stores `chains`."""
    return {"chains": [chain.model_dump(mode="json") for chain in chains]}


def add_usages(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Add the usages of roles (JSON of `Usage`), as several nodes report them."""
    return {
        role: (Usage.model_validate(before.get(role, {})) + Usage.model_validate(new.get(role, {}))).model_dump()
        for role in {**before, **new}
    }


class AutoCritiqueState(ActorCriticInput):
    """State of the graphs that make data. `paths` holds `ReasoningPath` records as JSON, in order of their names."""

    paths: NotRequired[list[dict[str, Any]]]
    usage: NotRequired[Annotated[dict[str, Any], add_usages]]


class AutoCritiqueOutput(TypedDict):
    """What a caller gets: `ReasoningPath` and `Usage` records as JSON."""

    paths: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]


def read_paths(state: AutoCritiqueState) -> list[ReasoningPath]:
    """Give the paths of a state as records."""
    return [ReasoningPath.model_validate(path) for path in state.get("paths", [])]


def write_paths(paths: Iterable[ReasoningPath], **usage: Usage) -> dict[str, Any]:
    """Give the state update that stores `paths` and adds what each role has used."""
    return {
        "paths": [path.model_dump(mode="json") for path in paths],
        "usage": {role: used.model_dump() for role, used in usage.items()},
    }


class SelfTalkOutput(TypedDict):
    """What a caller gets: `SelfTalk` and `Usage` records as JSON."""

    talks: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]
