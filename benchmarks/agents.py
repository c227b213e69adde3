"""Measures what a critic is worth in an agent of LangChain: `CritiqueMiddleware` beside deepagents' `RubricMiddleware`.

    pip install deepagents
    python benchmarks/agents.py [-n 300] [--seed 20261] [--rounds 1]

The agent is the miniature's actor in `create_agent`, greedy, on test problems of the miniature; both middlewares
have the miniature's critic, and as many rounds. The miniature knows its own prompts alone, so a wrapper puts the
conversation into them: for `RubricMiddleware` it passes on the grader's feedback without the words around it, and the
critique becomes the verdict on the one criterion of the rubric. Intervals are 95 %, those of differences are paired.
"""

import argparse
import asyncio
import logging
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deepagents.middleware.rubric import RubricMiddleware
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from critique_graph import CritiqueMiddleware
from critique_graph.calls.replies import usage_of
from critique_graph.core.async_node import wait_for
from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Problem, Usage
from critique_graph.grading.grader import default_grader
from critique_graph.metrics.intervals import paired_difference, wilson
from critique_graph.models.load import load_model
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.load import load_problems

RUBRIC = "The answer and every step are correct."
_FEEDBACK = re.compile(r"Grader feedback: (.*?)\n\nCriteria", re.DOTALL)
_TURN = re.compile(r"^\[(user|assistant)\] ", re.MULTILINE)


class Counted(BaseChatModel):
    """A model of the miniature whose calls are counted."""

    inner: Any
    used: list[Usage] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "counted"

    def bind_tools(self, tools: Any, **options: Any) -> BaseChatModel:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        return wait_for(self._agenerate(messages))

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=await self.reply(messages))])

    async def ask(self, messages: list[BaseMessage], max_tokens: int) -> AIMessage:
        """Call the model, greedily."""
        message: AIMessage = await self.inner.ainvoke(messages, temperature=0.0, max_tokens=max_tokens)
        self.used.append(usage_of(message))
        return message

    @abstractmethod
    async def reply(self, messages: list[BaseMessage]) -> AIMessage:
        """Give the reply to a conversation."""


class Actor(Counted):
    """The miniature's actor, which is given the conversation in its own prompts."""

    async def reply(self, messages: list[BaseMessage]) -> AIMessage:
        question, *turns = [message for message in messages if message.text]
        if not turns:
            return await self.ask(solve_messages(question.text), 1024)
        response, said = turns[-2:]
        if feedback := _FEEDBACK.search(said.text):
            return await self.ask(refine_messages(question.text, response.text, feedback[1]), 1024)
        return await self.ask([*solve_messages(question.text), response, said], 1024)  # its own prompt already


class Grader(Counted):
    """The miniature's critic as a grader of `RubricMiddleware`, which wants a call of a tool."""

    async def reply(self, messages: list[BaseMessage]) -> AIMessage:
        transcript = messages[-1].text.split("<transcript-")[2].partition(">\n")[2].partition("\n</transcript-")[0]
        turns = _TURN.split(transcript)[1:]
        question, answer = turns[1].strip(), turns[-1].strip()
        said = (await self.ask(critique_messages(question, answer), 1536)).text
        is_wrong = parse_critique(said, answer).final == "wrong"
        criterion = {"name": RUBRIC, "passed": not is_wrong} | ({"gap": "a step is wrong"} if is_wrong else {})
        verdict = {
            "result": "needs_revision" if is_wrong else "satisfied",
            "explanation": said,
            "criteria": [criterion],
        }
        return AIMessage(
            "", tool_calls=[{"name": "GraderResponse", "args": verdict, "id": "grade", "type": "tool_call"}]
        )


@dataclass
class Arm:
    """What one way of using the critic gave."""

    name: str
    correct: list[bool]
    passed: list[bool]
    used: Usage

    def row(self, base: "Arm") -> str:
        """Give the arm's line of the table."""
        n = len(self.correct)
        false = [passed and not correct for passed, correct in zip(self.passed, self.correct, strict=True)]
        gain = "" if base is self else _points(paired_difference(base.correct, self.correct))
        return " | ".join(
            (
                f"| {self.name}",
                _percent(wilson(sum(self.correct), n)),
                gain,
                "" if base is self else _percent(wilson(sum(false), n)),
                f"{self.used.calls / n:.2f}",
                f"{self.used.total_tokens / n:.0f} |",
            )
        )


def _percent(rate: Any) -> str:
    return f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def _points(rate: Any) -> str:
    return f"{100 * rate.value:+.1f} [{100 * rate.low:+.1f}, {100 * rate.high:+.1f}]"


async def play(name: str, problems: Sequence[Problem], actor: Actor, critic: Counted | None, middleware: Any) -> Arm:
    """Have the agent answer every problem."""
    given = [] if middleware is None else [middleware]
    agent, grader = create_agent(actor, middleware=given, checkpointer=InMemorySaver()), default_grader()
    slots = asyncio.Semaphore(32)

    async def answer(problem: Problem) -> tuple[bool, bool, Usage]:
        thread: RunnableConfig = {"configurable": {"thread_id": problem.id}}
        asked: Any = {"messages": [HumanMessage(problem.question)], "rubric": RUBRIC}
        async with slots:
            result = await agent.ainvoke(asked, thread)
        assert problem.answer is not None  # every problem of the miniature has one
        grade = await grader.grade(grader.extract(result["messages"][-1].text), problem.answer)
        ours = result.get("critique") or {}
        status = ours.get("status") or agent.get_state(thread).values.get("_rubric_status")
        spent = Usage.model_validate(ours["usage"]["critic"]) if ours else Usage()
        return grade.is_correct, status in ("passed", "satisfied"), spent

    found = await asyncio.gather(*map(answer, problems))
    used = Usage.sum([*actor.used, *(critic.used if critic else []), *(spent for *_, spent in found)])
    return Arm(name, [correct for correct, *_ in found], [passed for _, passed, _ in found], used)


async def main(arguments: argparse.Namespace) -> None:
    """Play all arms and print the table."""
    problems = list(load_problems("miniature", limit=arguments.n, seed=arguments.seed))
    actor, critic = load_model("miniature:actor"), load_model("miniature:critic")
    ours = CritiqueMiddleware(critic, rounds=arguments.rounds, prompts="default")
    grader = Grader(inner=critic)
    theirs = RubricMiddleware(model=grader, max_iterations=arguments.rounds + 1)
    arms = [
        await play("the agent alone", problems, Actor(inner=actor), None, None),
        await play("CritiqueMiddleware", problems, Actor(inner=actor), None, ours),
        await play("RubricMiddleware", problems, Actor(inner=actor), grader, theirs),
    ]
    print(f"n = {len(problems)}, seed {arguments.seed}, rounds {arguments.rounds}")
    print("| | correct | gain, points | wrong and said to have passed | calls | tokens |\n|---|---|---|---|---|---|")
    for arm in arms:
        print(arm.row(arms[0]))
    print("CritiqueMiddleware minus RubricMiddleware:", _points(paired_difference(arms[2].correct, arms[1].correct)))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20261)
    parser.add_argument("--rounds", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
