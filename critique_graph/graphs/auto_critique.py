"""AutoMathCritique: paths, critiques of them, and a filter that keeps the critiques that help (paper §2).

sample_paths ─► continue_paths ─► corrupt_paths ─► annotate ─► filter
"""

from typing import Any

from langgraph.graph import END

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import EXACT, Model
from critique_graph.core.context import GenerationContext
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.grading.grader import Grader
from critique_graph.graphs.flawed_paths import DataGraph, add_paths, new_data_graph
from critique_graph.graphs.players import new_players
from critique_graph.nodes.annotate import create_annotate
from critique_graph.nodes.filter import create_filter
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_auto_critique(
    actor: Model = "miniature:actor",
    annotator: Model = "miniature:annotator",
    corruptor: Model = EXACT,
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: Any,
) -> DataGraph:
    """Create the graph that makes critique data of one problem, uncompiled. The problem needs a reference answer.

    Every path is in the result; `drop` names the stage and the reason of a dropped path. Paths without it are data.

    Example:
        >>> graph = create_auto_critique(samples=8).compile()
        >>> question = "Ann has 12 apples. Ann buys 6 more. Ann loses 9 apples. How many apples does Ann have?"
        >>> paths = graph.invoke({"question": question, "reference": "9"})["paths"]
        >>> kept = [path for path in paths if path["drop"] is None]

    Args:
        actor: Samples, continues and refines.
        annotator: Writes the critiques, with the reference answer and what is known about the error as hints.
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
        {"actor": actor, "annotator": annotator, "corruptor": corruptor},
        GenerationContext(**settings),
        grader,
        log,
        prompts,
        task,
    )
    builder = new_data_graph()
    last = add_paths(builder, players)
    builder.add_node("annotate", create_annotate(players))
    builder.add_node("filter", create_filter(players))
    builder.add_edge(last, "annotate")
    builder.add_edge("annotate", "filter")
    builder.add_edge("filter", END)
    return builder
