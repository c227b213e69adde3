"""Training rows: context and what is learned, with the prompts of the graph's nodes and in the format of TRL."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypedDict, TypeVar

from langchain_core.messages import BaseMessage

Task = Literal[
    "critic",
    "refiner",
    "actor",
    "preference",
    "critic-preference",
    "kto",
    "critic-kto",
    "step-critic",
    "self-talk",
    "self-correction",
]
TrainedTask = Literal[Task, "critic-rl"]
"""What `train` takes: the tasks that learn from rows, and the critic that learns by reinforcement from problems."""
PREFERENCES: tuple[Task, ...] = ("preference", "critic-preference")
"""Tasks whose rows are `PreferenceRow`s."""
LABELLED: tuple[Task, ...] = ("kto", "critic-kto")
"""Tasks whose rows are `LabelledRow`s."""

Message = dict[str, str]
"""One turn of a conversation: `role` and `content`."""


class TrainingRow(TypedDict):
    """A row with context (`prompt`) and the text to learn (`completion`)."""

    prompt: list[Message]
    completion: list[Message]


class PreferenceRow(TypedDict):
    """A row with two answers to the same prompt; `chosen` is preferred to `rejected`."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]


class LabelledRow(TypedDict):
    """A row with an answer to a prompt, and whether it is desirable (TRL's unpaired preferences, for KTO)."""

    prompt: list[Message]
    completion: list[Message]
    label: bool


class StepRow(TypedDict):
    """A row with the steps of a response up to the first wrong one, and whether each is correct (the usual format)."""

    prompt: str
    completions: list[str]
    labels: list[bool]


class PromptRow(TypedDict):
    """A row of a model that is rewarded for its answer: its prompt, and the reference that the answer should equal."""

    prompt: list[Message]
    problem: str
    reference: str


class ResponseRow(TypedDict):
    """A row of a critic that learns by reinforcement: its prompt, and all that the rewards of a critique need."""

    prompt: list[Message]
    problem: str
    chain: int
    question: str
    response: str
    reference: str
    is_correct: bool


AnyRow = TrainingRow | PreferenceRow | LabelledRow | StepRow | ResponseRow
Row = TypeVar("Row", bound=AnyRow, covariant=True)


class Rows(Protocol[Row]):
    """Rows that can be read several times, in order: a list, or a file (`RowsFile`)."""

    def __len__(self) -> int:
        """Give the number of rows."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """Give the rows."""
        ...


_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def as_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """Turn LangChain messages into the form that chat templates read."""
    return [{"role": _ROLES[message.type], "content": message.text} for message in messages]


def row(prompt: Sequence[BaseMessage], completion: str) -> TrainingRow:
    """Make a row from the messages that a node sends and the text that the model should answer."""
    return {
        "prompt": as_messages(prompt),
        "completion": [{"role": "assistant", "content": completion}],
    }


def labelled_row(prompt: Sequence[BaseMessage], completion: str, *, label: bool) -> LabelledRow:
    """Make a row from the messages that a node sends and an answer that is desirable, or is not."""
    made = row(prompt, completion)
    return {"prompt": made["prompt"], "completion": made["completion"], "label": label}


def preference_row(prompt: Sequence[BaseMessage], chosen: str, rejected: str) -> PreferenceRow:
    """Make a row from the messages that a node sends and two answers."""
    return {
        "prompt": as_messages(prompt),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }
