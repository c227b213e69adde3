"""Self-talk (paper §6): a path with a critic's words in it, repaired until no error is left, then rewritten.

    solve ─► critique ─► repair ─► (critique …) ─► smooth

The loop is the two-player loop, but a path is repaired from its first wrong step on: the steps before it stay.
"""

from typing import Any

from langgraph.graph import END, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import EXACT, Model
from critique_graph.core.context import SelfTalkContext
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticInput, ActorCriticState, SelfTalkOutput
from critique_graph.grading.grader import Grader
from critique_graph.graphs.loop import add_loop
from critique_graph.graphs.players import new_players
from critique_graph.nodes.repair import create_repair
from critique_graph.nodes.smooth import create_smooth
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_self_talk(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    smoother: Model = EXACT,
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: Any,
) -> StateGraph[ActorCriticState, SelfTalkContext, ActorCriticInput, SelfTalkOutput]:
    """Create the graph that makes self-talk about one problem, uncompiled.

    Correct paths become talks, too, with the critic's approval after every step. Every path is in the result; `drop`
    says why a path was dropped, and paths without it are data. The reference answer, if there is one, grades the talks
    and is in no prompt.

    Example:
        >>> graph = create_self_talk(samples=4).compile()
        >>> question = "Ann has 12 apples. Ann buys 6 more. Ann loses 9 apples. How many apples does Ann have?"
        >>> talks = graph.invoke({"question": question, "reference": "9"})["talks"]
        >>> texts = [talk["response"]["text"] for talk in talks if talk["drop"] is None]

    Args:
        actor: Solves and repairs; it should be able to continue its own message.
        critic: Judges every step.
        smoother: Rewrites a talk: a model, or `exact`, which leaves it in the critic's words.
        grader: Reads and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
        settings: Fields of `SelfTalkContext`.

    Raises:
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    players = new_players(
        {"actor": actor, "critic": critic, "smoother": smoother},
        SelfTalkContext(**settings),
        grader,
        log,
        prompts,
        task,
    )
    players.task.refuse_own_steps("self-talk")
    builder = StateGraph(
        ActorCriticState,
        context_schema=SelfTalkContext,
        input_schema=ActorCriticInput,
        output_schema=SelfTalkOutput,
    )
    add_loop(builder, players, refine=("repair", create_repair(players)), then="smooth")
    builder.add_node("smooth", create_smooth(players))
    builder.add_edge("smooth", END)
    return builder
