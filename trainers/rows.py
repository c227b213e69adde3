"""Training rows: what is context and what is learned, as the graph's nodes ask and as TRL reads it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypedDict

from langchain_core.messages import BaseMessage

from critique_graph.dataset import CritiqueRow
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages

Task = Literal["critic", "refiner", "actor"]

Message = dict[str, str]
"""One turn of a conversation: `role` and `content`."""


class Row(TypedDict):
    """What is context (`prompt`) and what is learned (`completion`)."""

    prompt: list[Message]
    completion: list[Message]


_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def as_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain messages in the form chat templates read."""
    return [{"role": _ROLES[message.type], "content": message.text} for message in messages]


def row(prompt: Sequence[BaseMessage], completion: str) -> Row:
    """Make a row from the messages a node sends and the text the model should answer."""
    return {
        "prompt": as_messages(prompt),
        "completion": [{"role": "assistant", "content": completion}],
    }


def task_rows(rows: Iterable[CritiqueRow], task: Task, *, with_reasoning: bool = False) -> Iterator[Row]:
    """Turn kept critiques into rows of one task.

    - `critic`: problem and response, to the critique; `with_reasoning` to what the annotator wrote before it, too.
    - `refiner`: problem, wrong response and critique, to a right refinement.
    - `actor`: problem, to the right response, or to the right refinement of a wrong one.
    """
    for kept in rows:
        right = kept.response if kept.is_correct else kept.refinement
        if task == "critic":
            thoughts = f"<think>\n{kept.reasoning}\n</think>\n\n" if with_reasoning and kept.reasoning else ""
            yield row(critique_messages(kept.question, kept.response), thoughts + kept.critique)
        elif task == "actor" and right is not None:
            yield row(solve_messages(kept.question), right)
        elif task == "refiner" and not kept.is_correct and right is not None:
            yield row(refine_messages(kept.question, kept.response, kept.critique), right)
