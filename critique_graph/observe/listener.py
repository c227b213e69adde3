"""A callback handler that hears of every verdict and flip, and knows the call that wrote the judged response."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from critique_graph.calls.caller import LABEL
from critique_graph.nodes.evaluations import EVALUATIONS, Evaluation


@dataclass
class JudgedCall:
    """The model call that wrote a response."""

    run_id: UUID
    response_id: str | None = None
    """The id that the server gave its reply."""


class EvaluationListener(BaseCallbackHandler, ABC):
    """Sends every verdict and flip on; one listener serves any number of invocations at once."""

    run_inline = True  # in the event loop and the context of the graph, where the current span is

    def __init__(self) -> None:
        self._parents: dict[UUID, UUID | None] = {}
        """The run around each chain's run that has not ended."""
        self._written: dict[UUID | None, dict[tuple[int, int], JudgedCall]] = {}
        """Calls of actors, by graph and by chain and round."""
        self._open: dict[UUID, JudgedCall] = {}

    @abstractmethod
    def send(self, evaluation: Evaluation, judged: JudgedCall | None) -> None:
        """Send an evaluation on; `judged` is None where no call of this invocation wrote the response."""

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Send the evaluations of a problem."""
        if name != EVALUATIONS:
            return
        written = self._written.get(self._parents.get(run_id), {})
        for found in data:
            evaluation = Evaluation.model_validate(found)
            self.send(evaluation, written.get((evaluation.chain, evaluation.round)))

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember the run around a node or a graph."""
        self._parents[run_id] = parent_run_id

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a run, with the calls of a graph."""
        self._parents.pop(run_id, None)
        self._written.pop(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a run, with the calls of a graph."""
        self.on_chain_end(None, run_id=run_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember a call of an actor by its place; of several attempts the last one counts."""
        told = metadata or {}
        if told.get(f"{LABEL}_role") != "actor" or f"{LABEL}_chain" not in told or parent_run_id is None:
            return
        place = told[f"{LABEL}_chain"], told[f"{LABEL}_round"]
        self._open[run_id] = JudgedCall(run_id)
        self._written.setdefault(self._parents.get(parent_run_id), {})[place] = self._open[run_id]

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Note the id of a reply."""
        judged, generations = self._open.pop(run_id, None), response.generations
        if judged is not None and generations and generations[0] and isinstance(generations[0][0], ChatGeneration):
            judged.response_id = generations[0][0].message.response_metadata.get("id")

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that failed."""
        self._open.pop(run_id, None)
