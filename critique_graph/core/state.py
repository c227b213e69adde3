"""State, input and output of the graphs: plain JSON types, so that any checkpointer can restore them."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from critique_graph.core.errors import one_line
from critique_graph.core.glance import chains_at_a_glance, paths_at_a_glance
from critique_graph.core.paths import ReasoningPath
from critique_graph.core.schema import Call, Chain, Record, Usage

Scalar = str | int | float | bool
DESCRIBED = ConfigDict(use_attribute_docstrings=True)
"""Puts the docstrings of a class's own fields into the JSON schema, which Studio and MCP clients show."""
QUESTIONS = [
    "Tom has 18 coins. Tom finds 13 more coins. Ann has 9 fewer than Tom. How many coins does Ann have?",
    "Ann has 12 apples. Ann buys 6 more. Ann loses 9 apples. How many apples does Ann have?",
    "Ben has 7 pens. Mia has 3 times as many pens as Ben. Mia loses 5 pens. How many pens does Mia have?",
]
"""Examples for forms; the first one is filled in."""


class ActorCriticInput(TypedDict):
    """Input that a caller gives a graph."""

    question: Annotated[
        str, Field(description="The problem.", examples=QUESTIONS, json_schema_extra={"default": QUESTIONS[0]})
    ]
    reference: NotRequired[
        Annotated[
            Scalar | None,
            Field(
                description="The reference answer, as text or a number. Only the grader and the `oracle` gate read it; "
                "no prompt ever contains it.",
                examples=["22", "9", "16"],
            ),
        ]
    ]
    id: NotRequired[
        Annotated[
            Scalar | None,
            Field(description="The problem's id in seeds and journals; a hash of the question if it is absent."),
        ]
    ]


@with_config(DESCRIBED)
class AutoCritiqueInput(ActorCriticInput):
    """Input of the graphs that make critique data."""

    solution: NotRequired[str | None]
    """A worked solution, with which paths begin if `from_solutions` is set and the actor has no correct response; read
    for nothing else."""


class KnownProblem(TypedDict):
    """What a graph keeps of its input beside the question, from its first node to its last."""

    id: str
    reference: str | None
    solution: NotRequired[str]


class QuestionState(TypedDict):
    """State that every graph has of its question.

    `reference` and `id` last until the first node, which puts them into `problem`; so does a `solution`. So a question
    that leaves one out does not get that of the question before it on the thread.
    """

    question: str
    reference: NotRequired[Annotated[Scalar | None, EphemeralValue]]
    id: NotRequired[Annotated[Scalar | None, EphemeralValue]]
    problem: NotRequired[KnownProblem]


class ActorCriticState(QuestionState):
    """State that the nodes pass on. `chains` holds `Chain` records as JSON."""

    chains: NotRequired[list[dict[str, Any]]]
    glance: NotRequired[str]
    """What the chains have come to, in a line each, for a person who looks at the state."""
    remaining_steps: RemainingSteps
    """Number of super-steps that LangGraph's recursion limit leaves, with the one in hand."""


class ActorCriticOutput(TypedDict):
    """Output for the caller: `Chain`, `Ballot`, `Grade`, `Usage` and `RoundChanges` records as JSON."""

    answer: str | None
    correct: bool | None
    grade: dict[str, Any] | None
    chains: list[dict[str, Any]]
    ballot: dict[str, Any]
    usage: dict[str, dict[str, Any]]
    changes: list[dict[str, Any]]


@with_config(DESCRIBED)
class ChatMessages(TypedDict):
    """Input and output of the chat graph."""

    messages: Annotated[list[AnyMessage], add_messages]
    """The conversation. The last message of the user is the question; `reference` and `id` may stand in its
    `additional_kwargs`."""


class AnsweredState(ActorCriticState):
    """State of a loop whose results are not its output, but read by a node that follows."""

    answer: NotRequired[str | None]
    correct: NotRequired[bool | None]
    grade: NotRequired[dict[str, Any] | None]
    ballot: NotRequired[dict[str, Any]]
    usage: NotRequired[dict[str, dict[str, Any]]]
    changes: NotRequired[list[dict[str, Any]]]


class ChatState(AnsweredState):
    """State of the chat graph: the conversation, and the results of its last question."""

    messages: Annotated[list[AnyMessage], add_messages]


class AskState(AnsweredState):
    """State of the graph that answers in short."""

    verdicts: NotRequired[list[str | None]]
    is_refined: NotRequired[bool]


@with_config(DESCRIBED)
class AskOutput(TypedDict):
    """Short output, for callers that are models themselves."""

    answer: str | None
    verdicts: list[str | None]
    """The critic's verdicts on the chosen chain's responses, in order; `wrong` led to a refinement."""
    is_refined: bool
    """Whether the answer is that of a refinement."""
    run_id: str | None
    """Id of the run, under which a tracer has its whole trace; None where the caller gave the run none."""


class PoolState(ActorCriticState):
    """State of the graph with which `compare` draws its pool."""

    usage: NotRequired[dict[str, Any]]


class PoolOutput(ActorCriticOutput):
    """Output of that graph: the chains' records, and `Response` and `Failure` records of the calls without a critic."""

    greedy: dict[str, Any] | None
    retries: list[dict[str, Any] | None]
    uncritiqued: list[dict[str, Any]]
    failures: list[dict[str, Any]]


@with_config(DESCRIBED)
class JudgeInput(ActorCriticInput):
    """Input of the graph in which the critic judges one response."""

    steps: NotRequired[list[str]]
    """The response to judge, as a list of steps; if it is absent, the actor writes a response."""


class JudgeState(ActorCriticState):
    """State of the judge graph: the question, the steps to judge and the one chain."""

    steps: NotRequired[Annotated[list[str], EphemeralValue]]


@with_config(DESCRIBED)
class PracticeInput(ActorCriticInput):
    """Input of the graph in which the critic practises."""

    responses: NotRequired[list[str]]
    """The texts of the responses to judge, each of them whole."""


class PracticeState(ActorCriticState):
    """State of the practice: the question, the responses to judge, and a chain for each try."""

    responses: NotRequired[Annotated[list[str], EphemeralValue]]


def known_problem(given: Mapping[str, Any]) -> KnownProblem:
    """Read the id, the reference and the solution of an input.

    Raises:
        TypeError: The question or the solution is not text, or the reference or the id is neither text nor a number.
        ValueError: The reference or the id is not a number that JSON knows.
    """
    question = given.get("question")
    if not isinstance(question, str):
        raise TypeError(f"question must be text, got {_shown(question)}.")
    named = _text_of("id", given.get("id"))
    problem: KnownProblem = {
        "id": named or hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        "reference": _text_of("reference", given.get("reference")),
    }
    solution = given.get("solution")
    if solution is not None and not isinstance(solution, str):
        raise TypeError(f"solution must be text, got {_shown(solution)}.")
    return problem if solution is None else {**problem, "solution": solution}


def problem_id(state: Mapping[str, Any]) -> str:
    """Give the problem's id, or a hash of the question if there is no id."""
    return _problem_of(state)["id"]


def reference_of(state: Mapping[str, Any]) -> str | None:
    """Give the reference answer as text, or None if there is none."""
    return _problem_of(state)["reference"]


def solution_of(state: Mapping[str, Any]) -> str | None:
    """Give the worked solution, or None if there is none."""
    return _problem_of(state).get("solution")


def _problem_of(state: Mapping[str, Any]) -> KnownProblem:
    """Give what the first node has kept; a state that no first node has seen is read like an input."""
    known: KnownProblem | None = state.get("problem")
    return known_problem(state) if known is None else known


def _text_of(name: str, value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            if math.isfinite(value):
                return str(value)
            raise ValueError(f"{name} must be text or a finite number, got {value}.")
        case _:
            raise TypeError(f"{name} must be text or a number, got {_shown(value)}.")


def _shown(value: object) -> str:
    return f"{type(value).__name__} ({one_line(repr(value), limit=80)})"


class _WrittenChains(list[dict[str, Any]]):
    """Chains as JSON, together with the records that they were written from: the next node need not read them again.

    A state that was stored in between holds a plain list, which is read. The two agree, because nodes return updates
    and never change a state in place (LangGraph's rule).
    """

    records: tuple[Chain, ...] = ()


def read_chains(state: ActorCriticState) -> list[Chain]:
    """Give the chains of a state as records."""
    written = state.get("chains", [])
    if isinstance(written, _WrittenChains):
        return list(written.records)
    return [Chain.model_validate(chain) for chain in written]


def write_chains(chains: Iterable[Chain], before: ActorCriticState | None = None) -> dict[str, Any]:
    """Give the state update that stores `chains`; of those in the state `before`, only what is new is written anew.

    So a node costs what it adds, however many rounds there were before it. A line of text about each chain is added.
    """
    records = tuple(chains)
    known = _written_parts(before)
    written = _WrittenChains(
        {
            "index": chain.index,
            **({} if chain.parent is None else {"parent": chain.parent, "told": chain.told}),
            "response": _json_of(chain.response, known),
            "rounds": [_json_of(turn, known) for turn in chain.rounds],
            "stop": chain.stop,
            "failure": _json_of(chain.failure, known),
        }
        for chain in records
    )
    written.records = records
    return {"chains": written, "glance": chains_at_a_glance(records)}


def _written_parts(state: ActorCriticState | None) -> dict[int, Any]:
    """Give the JSON of the responses and rounds of a state, by the identity of their records, which the state holds."""
    written = None if state is None else state.get("chains")
    parts: dict[int, Any] = {}
    if isinstance(written, _WrittenChains):
        for chain, json in zip(written.records, written, strict=True):
            parts[id(chain.response)] = json["response"]
            parts.update(zip(map(id, chain.rounds), json["rounds"], strict=True))
    return parts


def _json_of(record: Record | None, known: Mapping[int, Any]) -> Any:
    if record is None:
        return None
    written = known.get(id(record))
    return record.model_dump(mode="json") if written is None else written


def add_usages(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Add the usages of roles (JSON of `Usage`), as several nodes report them."""
    return {
        role: (Usage.model_validate(before.get(role, {})) + Usage.model_validate(new.get(role, {}))).model_dump()
        for role in {**before, **new}
    }


class AutoCritiqueState(QuestionState):
    """State of the graphs that make critique data. `paths` holds `ReasoningPath` records as JSON, ordered by name."""

    solution: NotRequired[Annotated[str | None, EphemeralValue]]
    paths: NotRequired[list[dict[str, Any]]]
    glance: NotRequired[str]
    """What the paths have come to, in a line each, for a person who looks at the state."""
    usage: NotRequired[dict[str, Any]]


class AutoCritiqueOutput(TypedDict):
    """Output for the caller: `ReasoningPath` and `Usage` records as JSON."""

    paths: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]


def read_paths(state: AutoCritiqueState) -> list[ReasoningPath]:
    """Give the paths of a state as records."""
    return [ReasoningPath.model_validate(path) for path in state.get("paths", [])]


def write_paths(
    state: AutoCritiqueState, paths: Iterable[ReasoningPath], **calls: Mapping[str, Iterable[Call]]
) -> dict[str, Any]:
    """Give the state update that stores `paths`, and adds what was used to their usage and to that of `state`.

    Args:
        state: The state before.
        paths: The paths.
        calls: The calls that each role has made since then, by the name of the path that they were made for.
    """
    used = {
        role: {name: Usage.sum(call.usage for call in made) for name, made in by_path.items()}
        for role, by_path in calls.items()
    }

    def with_usage(path: ReasoningPath) -> ReasoningPath:
        added = {
            role: path.usage.get(role, Usage()) + by_path[path.name]
            for role, by_path in used.items()
            if path.name in by_path
        }
        return path.model_copy(update={"usage": path.usage | added})

    added = {role: Usage.sum(by_path.values()).model_dump() for role, by_path in used.items()}
    kept = list(paths)
    return {
        "paths": [with_usage(path).model_dump(mode="json") for path in kept],
        "glance": paths_at_a_glance(kept),
        "usage": add_usages(state.get("usage", {}), added),
    }


class SelfTalkOutput(TypedDict):
    """Output for the caller: `SelfTalk` and `Usage` records as JSON."""

    talks: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]
