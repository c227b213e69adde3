"""The loop as a participant of a conversation: messages in, messages out.

read_question ─► solve ─► critique ─► refine ─► (critique …) ─► vote ─► write_answer
                    solve ─► critique ─► refine ─► (critique …) ─► vote ─► report
"""

from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model, Players
from critique_graph.core.context import Context
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticInput, ActorCriticOutput, AskOutput, AskState, ChatMessages, ChatState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.loop import add_loop
from critique_graph.graphs.players import new_players
from critique_graph.nodes.chat_turn import create_read_question, create_report, create_write_answer
from critique_graph.nodes.refine import create_refine
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_chat(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: Any,
) -> StateGraph[ChatState, Context, ChatMessages, ChatMessages]:
    """Create the actor-critic loop with a conversation as its state, uncompiled.

    The last message of the user is the question, and what was said before it is not read. The answer is the chosen
    response, as a message whose `additional_kwargs["critique_graph"]` has `answer`, `verdict`, `verdicts`,
    `is_refined`, `correct` and `usage` by role. A reference in the question's `additional_kwargs["reference"]` is
    only graded with.

    Example:
        >>> chat = create_chat(rounds=2).compile()
        >>> result = chat.invoke({"messages": ["Ann has 12 apples. Ann buys 6 more. How many apples does Ann have?"]})
        >>> result["messages"][-1].additional_kwargs["critique_graph"]["verdict"]

    Args:
        actor: Solves and refines: a chat model, or a string such as `hf:PATH` or `openai:NAME`.
        critic: Judges every step of a response.
        grader: Reads, compares and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
        settings: Fields of `Context`, such as `samples` and `rounds`.

    Raises:
        pydantic.ValidationError: a setting is unknown or out of its range.
    """
    builder = StateGraph(ChatState, context_schema=Context, input_schema=ChatMessages, output_schema=ChatMessages)
    builder.add_node("read_question", create_read_question())
    builder.add_edge(START, "read_question")
    players = new_players({"actor": actor, "critic": critic}, Context(**settings), grader, log, prompts, task)
    _add_loop(builder, players, after="read_question", then=("write_answer", create_write_answer()))
    return builder


def create_ask(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: Any,
) -> StateGraph[AskState, Context, ActorCriticInput, AskOutput]:
    """Create the actor-critic loop with a short output, for models that call it as a tool (MCP); uncompiled.

    The output is the answer, the critic's verdicts on the responses that led to it, whether it was refined, and the id
    of the run, under which LangSmith or another tracer has the trace.
    The arguments are those of `create_chat`.
    """
    builder = StateGraph(AskState, context_schema=Context, input_schema=ActorCriticInput, output_schema=AskOutput)
    players = new_players({"actor": actor, "critic": critic}, Context(**settings), grader, log, prompts, task)
    _add_loop(builder, players, after=START, then=("report", create_report()))
    return builder


def _add_loop(
    builder: StateGraph[Any, Any, Any, Any],
    players: Players[Context],
    *,
    after: str,
    then: tuple[str, Runnable[Any, dict[str, Any]]],
) -> None:
    """Add the loop and its vote, and the node that makes the output of them."""
    refine = ("refine", create_refine(players))
    add_loop(builder, players, refine=refine, then="vote", after=after, last_steps=2, results=ActorCriticOutput)
    name, node = then
    builder.add_node("vote", create_vote(players))
    builder.add_node(name, node)
    builder.add_edge("vote", name)
    builder.add_edge(name, END)
