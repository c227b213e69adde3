"""`PerQuestion`: a part of a graph's input that belongs to one question, also where a checkpointer keeps the thread.

LangGraph keeps the value of a channel until it is written again. An input that leaves a key out would therefore find
the value of the thread's last question there: its reference answer, its id. A graph's first node ends that: it writes
`SETTLE`, which keeps a value that came with this question's input, and clears an older one.
"""

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from langgraph.channels.last_value import LastValue

Value = TypeVar("Value")

SETTLE = "critique-graph: keep what this question's input gave, and clear what is older"
_NEW = "critique-graph: new"


class PerQuestion(LastValue[Value], Generic[Value]):
    """Holds the value that came with the input of the present question."""

    __slots__ = ("_is_new",)

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self._is_new = False

    def copy(self) -> Self:
        copied = super().copy()
        copied._is_new = self._is_new
        return copied

    def checkpoint(self) -> Any:
        """Give the value, marked until the first node has settled it: a graph may be resumed before that."""
        return {_NEW: self.value} if self._is_new else self.value

    def from_checkpoint(self, checkpoint: Any) -> Self:
        is_new = isinstance(checkpoint, dict) and _NEW in checkpoint
        restored = super().from_checkpoint(checkpoint[_NEW] if is_new else checkpoint)
        restored._is_new = is_new
        return restored

    def update(self, values: Sequence[Any]) -> bool:
        if list(values) != [SETTLE]:
            self._is_new = super().update(values) or self._is_new
            return bool(values)
        if not self._is_new:
            self.value = type(self)(self.typ).value  # empty
        self._is_new = False
        return True
