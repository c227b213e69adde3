"""State, input and output of the graphs: plain JSON types, so that any checkpointer can restore them."""

from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

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


class SelfTalkOutput(TypedDict):
    """Output for the caller: `SelfTalk` and `Usage` records as JSON."""

    talks: list[dict[str, Any]]
    usage: dict[str, dict[str, Any]]
