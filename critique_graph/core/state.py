"""State, input and output of the graphs: plain JSON types, so that any checkpointer can restore them."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from critique_graph.core.paths import ReasoningPath
from critique_graph.core.schema import Chain, Usage


class ActorCriticInput(TypedDict):
    """Input that a caller gives a graph."""

    question: str
    reference: NotRequired[str | None]
    """The reference answer. Only the grader and the `oracle` gate read it; no prompt ever contains it."""
    id: NotRequired[str]
    """The problem's id in seeds and journals; a hash of the question if it is absent."""


class ActorCriticState(ActorCriticInput):
    """State that the nodes pass on. `chains` holds `Chain` records as JSON."""

    chains: NotRequired[list[dict[str, Any]]]


class ActorCriticOutput(TypedDict):
    """Output for the caller: `Chain`, `Ballot`, `Grade` and `Usage` records as JSON."""

    answer: str | None
    correct: bool | None
    grade: dict[str, Any] | None
    chains: list[dict[str, Any]]
    ballot: dict[str, Any]
    usage: dict[str, dict[str, Any]]


class PoolState(ActorCriticState):
    """State of the graph with which `compare` draws its pool."""

    usage: NotRequired[dict[str, Any]]


class PoolOutput(ActorCriticOutput):
    """Output of that graph: the chains' records, and `Response` and `Failure` records of the calls without a critic."""

    greedy: dict[str, Any] | None
    retries: list[dict[str, Any] | None]
    uncritiqued: list[dict[str, Any]]
    failures: list[dict[str, Any]]


class JudgeInput(ActorCriticInput):
    """Input of the graph in which the critic judges one response."""

    steps: NotRequired[list[str]]
    """The response to judge, as a list of steps; if it is absent, the actor writes a response."""


class JudgeState(JudgeInput, ActorCriticState):
    """State of the judge graph: the input and its one chain."""


def problem_id(state: ActorCriticInput) -> str:
    """Give the problem's id, or a hash of the question if there is no id."""
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
    """State of the graphs that make critique data. `paths` holds `ReasoningPath` records as JSON, ordered by name."""

    paths: NotRequired[list[dict[str, Any]]]
    usage: NotRequired[Annotated[dict[str, Any], add_usages]]


class AutoCritiqueOutput(TypedDict):
    """Output for the caller: `ReasoningPath` and `Usage` records as JSON."""

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
    """Output for the caller: `SelfTalk` and `Usage` records as JSON."""

    talks: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]
