"""Flawed reasoning paths, and correct ones beside them: RG1, RG2 and RG3 of AutoMathCritique (paper §2).

sample_paths ─► continue_paths ─► corrupt_paths
"""

from typing import Any

from langgraph.graph import END, START, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import EXACT, Model, Players
from critique_graph.core.context import GenerationContext
from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import AutoCritiqueInput, AutoCritiqueOutput, AutoCritiqueState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.first_node import add_first_node
from critique_graph.graphs.players import new_players
from critique_graph.nodes.continue_paths import create_continue_paths
from critique_graph.nodes.corrupt_paths import create_corrupt_paths
from critique_graph.nodes.sample_paths import create_sample_paths
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH

DataGraph = StateGraph[AutoCritiqueState, GenerationContext, AutoCritiqueInput, AutoCritiqueOutput]


def create_flawed_paths(
    actor: Model = "miniature:actor",
    corruptor: Model = EXACT,
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: Any,
) -> DataGraph:
    """Create the graph that makes paths of one problem, uncompiled. The problem needs a reference answer.

    Example:
        >>> graph = create_flawed_paths(samples=8).compile()
        >>> question = "Ann has 12 apples. Ann buys 6 more. Ann loses 9 apples. How many apples does Ann have?"
        >>> paths = graph.invoke({"question": question, "reference": "9"})["paths"]

    Args:
        actor: Samples and continues. RG2 and RG3 need a model that can continue its own message.
        corruptor: Inserts errors: a model, or `exact` (arithmetic only).
        grader: Reads and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
        settings: Fields of `GenerationContext`.

    Raises:
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    players = new_players(
        {"actor": actor, "corruptor": corruptor}, GenerationContext(**settings), grader, log, prompts, task
    )
    builder = new_data_graph()
    last = add_paths(builder, players)
    builder.add_edge(last, END)
    return builder


def new_data_graph() -> DataGraph:
    """Give an empty graph with the state of the graphs that make data."""
    return StateGraph(
        AutoCritiqueState,
        context_schema=GenerationContext,
        input_schema=AutoCritiqueInput,
        output_schema=AutoCritiqueOutput,
    )


def add_paths(builder: DataGraph, players: Players[GenerationContext]) -> str:
    """Add the nodes that make paths, and give the name of the last one.

    Raises:
        InputError: The task has steps of its own, or tells critics of grades, of which those that learn know nothing.
    """
    players.task.refuse_own_steps("making paths")
    if players.task.evidence is not None:
        raise InputError(
            f"task {players.task.name} tells the critic how a response was graded, and data is made for critics that "
            "are not told: name a task without evidence."
        )
    add_first_node(builder, "sample_paths", create_sample_paths(players))
    builder.add_node("continue_paths", create_continue_paths(players))
    builder.add_node("corrupt_paths", create_corrupt_paths(players))
    builder.add_edge(START, "sample_paths")
    builder.add_edge("sample_paths", "continue_paths")
    builder.add_edge("continue_paths", "corrupt_paths")
    return "corrupt_paths"
