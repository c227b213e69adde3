"""Training rows: what is context and what is learned, as the graph's nodes ask and as TRL reads it."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from langchain_core.messages import BaseMessage

Task = Literal[
    "critic", "refiner", "actor", "preference", "critic-preference", "step-critic", "self-talk", "self-correction"
]
PREFERENCES: tuple[Task, ...] = ("preference", "critic-preference")
"""Tasks whose rows are `PreferenceRow`s."""

Message = dict[str, str]
"""One turn of a conversation: `role` and `content`."""


class TrainingRow(TypedDict):
    """What is context (`prompt`) and what is learned (`completion`)."""

    prompt: list[Message]
    completion: list[Message]


class PreferenceRow(TypedDict):
    """Two answers to the same prompt, of which one is preferred."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]


class StepRow(TypedDict):
    """A response's steps up to its first wrong one, and whether each is right (the field's stepwise form)."""

    prompt: str
    completions: list[str]
    labels: list[bool]


AnyRow = TrainingRow | PreferenceRow | StepRow

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def as_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain messages in the form chat templates read."""
    return [{"role": _ROLES[message.type], "content": message.text} for message in messages]


def row(prompt: Sequence[BaseMessage], completion: str) -> TrainingRow:
    """Make a row from the messages a node sends and the text the model should answer."""
    return {
        "prompt": as_messages(prompt),
        "completion": [{"role": "assistant", "content": completion}],
    }


def preference_row(prompt: Sequence[BaseMessage], chosen: str, rejected: str) -> PreferenceRow:
    """Make a row from the messages a node sends and two answers."""
    return {
        "prompt": as_messages(prompt),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }
