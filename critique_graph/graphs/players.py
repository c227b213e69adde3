"""The players of a graph, with what loads their models and grades their answers."""

from collections.abc import Mapping
from typing import TypeVar

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model, Players, unbound
from critique_graph.core.context import GraphSettings
from critique_graph.core.prompts_file import PromptsGiven, read_prompts
from critique_graph.core.schema import Role
from critique_graph.grading.grader import Grader, default_grader
from critique_graph.models.load import load_model

Context = TypeVar("Context", bound=GraphSettings)


def new_players(
    models: Mapping[Role, Model],
    defaults: Context,
    grader: Grader | None,
    log: CallLog | None,
    prompts: PromptsGiven,
) -> Players[Context]:
    """Make the players of a graph.

    Args:
        models: Model of each role, as a chat model or a string.
        defaults: Settings that an invocation may change.
        grader: Reads, compares and grades answers; None: mathematics.
        log: Journal of finished calls; None: none is kept.
        prompts: Wording of the prompts.

    Raises:
        InputError: A file or name of a wording does not exist, or a node or a slot in it is missing or unknown.
        TypeError: A model is neither a string nor a chat model.
        ValueError: A model has an argument bound that the graph sets.
    """
    for role, model in models.items():
        unbound(role, model)
    return Players(models, defaults, grader or default_grader(), load_model, log, read_prompts(prompts))
