"""Middleware that puts a critic into an agent of LangChain: it judges the final answer, and the agent goes on."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.managed.is_last_step import RemainingStepsManager
from langgraph.runtime import Runtime
from typing_extensions import override

from critique_graph.agents.conversation import Conversation, conversation_for_critic, message_of_critic
from critique_graph.agents.critic import AgentCritic
from critique_graph.agents.episode import Attempt, Ending, Episode, trace_of
from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Model
from critique_graph.calls.replies import usage_of
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import CritiqueForm
from critique_graph.core.errors import MissingDependencyError, RunError
from critique_graph.core.files import append_line
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.schema import Call, Problem, Response, Trace, Usage
from critique_graph.core.state import Scalar
from critique_graph.core.state_records import known_problem
from critique_graph.grading.grader import Grader, default_grader
from critique_graph.nodes.evaluations import announce_evaluations

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
    from langchain.agents.middleware.types import OmitFromInput, OmitFromOutput, PrivateStateAttr
except ModuleNotFoundError as error:
    raise MissingDependencyError("langchain", extra="agents", purpose="CritiqueMiddleware") from error

logger = logging.getLogger(__name__)

LEAST_STEPS = 8
"""Number of super-steps that LangGraph's recursion limit has to leave for the agent to go on."""


class CritiqueState(AgentState[Any]):
    """What the middleware adds to the state of an agent."""

    reference: NotRequired[Annotated[Scalar | None, OmitFromOutput]]
    """Input: the known answer of the question, if there is one. It grades the trace, and no model sees it."""
    critique: NotRequired[Annotated[dict[str, Any], OmitFromInput]]
    """Output: the verdict on the answer."""
    critique_episode: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]
    remaining_steps: Annotated[int, PrivateStateAttr, RemainingStepsManager]
    """Number of super-steps that LangGraph's recursion limit leaves. The manager has to be the last annotation."""


class CritiqueMiddleware(AgentMiddleware[CritiqueState, Any, Any]):
    """Has a critic judge the agent's final answer; where it says wrong, the agent goes on with the critique.

    The last message of the result is the best answer: one that passed before one without a verdict before one that was
    rejected. `result["critique"]` says which of these it is, under `status`; so does the message's
    `response_metadata["critique"]`. Nothing that the critic rejected looks as if it had passed.

    Example:
        ```python
        agent = create_agent("openai:gpt-x", middleware=[CritiqueMiddleware(critic="openai:gpt-x")])
        result = agent.invoke({"messages": [{"role": "user", "content": "..."}]})
        result["critique"]["status"]  # passed, rejected or unjudged
        ```
    """

    state_schema = CritiqueState

    def __init__(
        self,
        critic: Model,
        *,
        rounds: int = 1,
        critiques: int = 1,
        token_budget: int | None = None,
        abstention: str | None = None,
        max_chars: int = 100_000,
        max_tokens: int = 1536,
        temperature: float | None = None,
        critique_form: CritiqueForm = "auto",
        prompts: PromptsGiven | None = None,
        traces: str | Path | None = None,
        grader: Grader | None = None,
        seed: int = 0,
    ) -> None:
        """Make the middleware.

        Args:
            critic: Judges the answer: a chat model, a model string, or `human` for a person, who is asked by
                `interrupt()` and answers with "correct", or with what is wrong.
            rounds: Number of times that the agent goes on after its first answer at most.
            critiques: Number of critiques of every answer; half of their verdicts reject it.
            token_budget: Number of tokens of agent and critic after which the agent does not go on.
            abstention: Text with which the agent answers in the place of an answer that was rejected; None: the best
                answer stays.
            max_chars: Number of characters of the conversation that the critic is shown at most; what is left out is
                marked in its place, and counted in the result.
            max_tokens: Number of tokens of one critique at most.
            temperature: Sampling temperature of the critic; None: 0, or 0.7 for several critiques.
            critique_form: How critiques are asked for: `auto`, `text`, `json` or `prefill`.
            prompts: Wording of `critique` and `refine`; None: the default, with a request to the agent that is not
                about mathematics.
            traces: File to which every episode is appended as a trace, for `critique-graph export` and `train`.
            grader: Reads answers, and grades them by the reference of the input; None: mathematics.
            seed: Seed from which the seeds of the critic's calls derive.

        Raises:
            ValueError: A number is out of its range.
        """
        super().__init__()
        for name, given, least in (("rounds", rounds, 0), ("critiques", critiques, 1), ("max_chars", max_chars, 1)):
            if given < least:
                raise ValueError(f"{name} must be at least {least}, got {given}.")
        self.rounds, self.token_budget, self.abstention = rounds, token_budget, abstention
        self.max_chars, self.grader = max_chars, grader or default_grader()
        self.traces = None if traces is None else Path(traces)
        self.critic = AgentCritic(
            critic,
            critiques=critiques,
            max_tokens=max_tokens,
            temperature=temperature,
            form=critique_form,
            prompts=prompts,
            seed=seed,
        )

    @override
    def before_agent(self, state: CritiqueState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin an episode, so that nothing of an earlier question on the thread stays."""
        messages = state["messages"]
        question = conversation_for_critic(messages, max_chars=self.max_chars).text
        known = known_problem({"question": question, "reference": state.get("reference")})
        problem = Problem(id=known["id"], question=question, answer=known["reference"])
        episode = Episode(problem=problem, start=len(messages))
        return {"critique_episode": episode.model_dump(mode="json"), "critique": {}, "reference": None}

    @override
    async def abefore_agent(self, state: CritiqueState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin an episode, as `before_agent` does."""
        return self.before_agent(state, runtime)

    @hook_config(can_jump_to=["model"])
    @override
    def after_agent(self, state: CritiqueState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Judge the answer; send the agent back with the critique, or end with the best answer."""
        return wait_for(self.aafter_agent(state, runtime))

    @hook_config(can_jump_to=["model"])
    @override
    async def aafter_agent(self, state: CritiqueState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Judge the answer; send the agent back with the critique, or end with the best answer."""
        messages, episode = state["messages"], Episode.model_validate(state["critique_episode"])
        started = time.perf_counter()
        rejected = [attempt.message_id for attempt in episode.attempts]
        before = conversation_for_critic(messages[:-1], max_chars=self.max_chars, rejected=rejected)
        attempt = await self._judged(messages, episode, before)
        episode = episode.model_copy(
            update={
                "attempts": (*episode.attempts, attempt),
                "seconds": episode.seconds + time.perf_counter() - started,
                "left_out": max(episode.left_out, before.left_out),
            }
        )
        number = len(episode.attempts)
        for given in attempt.judgements:
            runtime.stream_writer({"event": "critique", "round": number, **given.critique.model_dump(mode="json")})
        ending = self._ending(episode, state["remaining_steps"])
        if ending is None:
            assert attempt.round is not None
            told = message_of_critic(self.critic.told(attempt.round.critique))
            return {"critique_episode": episode.model_dump(mode="json"), "messages": [told], "jump_to": "model"}
        return await self._ended(messages, episode, ending)

    async def _judged(self, messages: Sequence[AnyMessage], episode: Episode, before: Conversation) -> Attempt:
        """Have the critic judge the last message, if it has text."""
        last = messages[-1]
        text = last.text if isinstance(last, AIMessage) else ""
        done = sum(attempt.messages for attempt in episode.attempts)
        spoken = [message for message in messages[episode.start :] if isinstance(message, AIMessage)][done:]
        usage = Usage.sum(map(usage_of, spoken))
        model = str(last.response_metadata.get("model_name") or "agent")
        response = Response(text=text, answer=self.grader.extract(text), call=Call(model=model, usage=usage))
        attempt = Attempt(message_id=last.id, messages=len(spoken), response=response)
        if not text.strip():
            return attempt
        judgements, failure = await self.critic.judge(
            before.text, text, CallKey(episode.problem.id, "critic", 0, len(episode.attempts) + 1)
        )
        return attempt.model_copy(update={"judgements": judgements, "failure": failure})

    def _ending(self, episode: Episode, remaining_steps: int) -> Ending | None:
        """Give the reason why the agent does not go on; None when it does."""
        attempt = episode.attempts[-1]
        match attempt.status:
            case "passed":
                return "judged_correct"
            case "unjudged" if not attempt.response.text.strip():
                return "no_text"
            case "unjudged":
                return "no_verdict" if attempt.judgements else "critic_failed"
        if len(episode.attempts) > self.rounds:
            return "rounds"
        if self.token_budget is not None and episode.usage["total"].total_tokens >= self.token_budget:
            return "budget"
        if remaining_steps < LEAST_STEPS:
            return "recursion_limit"
        return None

    async def _ended(self, messages: Sequence[AnyMessage], episode: Episode, ending: Ending) -> dict[str, Any]:
        """Give the state's last update: the verdict, and the best answer as the last message."""
        trace = await trace_of(episode, ending, self.grader, self.critic.recorded() | {"rounds": self.rounds})
        await announce_evaluations(episode.problem.id, trace.chains)
        if self.traces is not None:
            await asyncio.to_thread(_append, self.traces, trace)
        best, last = episode.best, messages[-1]
        is_abstaining = self.abstention is not None and best.status == "rejected"
        result = {
            "status": best.status,
            "reason": ending,
            "is_abstaining": is_abstaining,
            "rounds": len(episode.attempts) - 1,
            "kept_round": episode.attempts.index(best),
            "attempts": [
                {"text": attempt.response.text, "status": attempt.status, "approval": attempt.approval}
                for attempt in episode.attempts
            ],
            "changes": [changes.model_dump(mode="json") for changes in trace.changes],
            "failure": None if trace.chains[0].failure is None else trace.chains[0].failure.message,
            "left_out_chars": episode.left_out,
            "usage": {role: usage.model_dump(mode="json") for role, usage in episode.usage.items()},
            "correct": trace.correct,
        }
        shown = {"critique": {name: result[name] for name in ("status", "reason", "is_abstaining")}}
        text = self.abstention if is_abstaining else best.response.text
        if isinstance(last, AIMessage) and last.id == best.message_id and not is_abstaining:
            message = last.model_copy(update={"response_metadata": {**last.response_metadata, **shown}})
        else:
            message = AIMessage(text or "", response_metadata=shown)
        return {"critique": result, "critique_episode": {}, "messages": [message]}


def _append(file: Path, trace: Trace) -> None:
    """Write a trace; a file that cannot be written costs the trace, not the answer."""
    try:
        append_line(file, trace.model_dump_json(by_alias=True).encode())
    except RunError as error:
        logger.error("%s; the trace of %s is lost.", str(error).rstrip("."), trace.problem.id)
