"""Every graph that works on one problem, with small settings."""

from collections.abc import Callable
from typing import Any

from fakes import ScriptedModel, critique_text, solution

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.exploration import create_exploration
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.judge import create_judge
from critique_graph.graphs.self_talk import create_self_talk

SETTINGS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 9, "critic_max_tokens": 9, "seed": 0}
EVERY_GRAPH: dict[str, Callable[..., Any]] = {
    "actor_critic": lambda actor, critic, **k: create_actor_critic(actor, critic, samples=2, **k),
    "judge": create_judge,
    "pool": lambda actor, critic, **k: create_pool(actor, critic, samples=2, **k),
    "exploration": lambda actor, critic, **k: create_exploration(
        actor, critic, samples=2, refinements=1, **SETTINGS, **k
    ),
    "flawed_paths": lambda actor, critic, **k: create_flawed_paths(actor, samples=2, **k),
    "auto_critique": lambda actor, critic, **k: create_auto_critique(actor, critic, samples=2, **k),
    "self_talk": lambda actor, critic, **k: create_self_talk(actor, critic, samples=2, **k),
}


def models() -> tuple[ScriptedModel, ScriptedModel]:
    """An actor that always answers 7, and a critic that always agrees."""
    actor = ScriptedModel(answer=lambda messages: solution(7))
    return actor, ScriptedModel(answer=lambda messages: critique_text("Correct"))
