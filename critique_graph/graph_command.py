"""`critique-graph graph | prompts`: a graph as a drawing, and a wording of the prompts as a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from langgraph.graph.state import CompiledStateGraph

from critique_graph.core.errors import MissingDependencyError
from critique_graph.core.prompts_file import prompts_file, read_prompts
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.chat import create_ask, create_chat
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.exploration import create_exploration
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.judge import create_judge
from critique_graph.graphs.practice import create_practice
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.improve.graph import create_self_improve
from critique_graph.output.terminal import log, print_text

Graphs: dict[str, Callable[[], CompiledStateGraph[Any, Any, Any, Any]]] = {
    "actor_critic": lambda: create_actor_critic().compile(name="actor_critic"),
    "ask": lambda: create_ask().compile(name="ask"),
    "chat": lambda: create_chat().compile(name="chat"),
    "comparison_pool": lambda: create_pool().compile(name="comparison_pool"),
    "exploration": lambda: create_exploration(
        "miniature:actor",
        "miniature:critic",
        samples=1,
        refinements=1,
        temperature=1.0,
        max_tokens=1024,
        critic_max_tokens=1536,
        seed=0,
    ).compile(name="exploration"),
    "judge": lambda: create_judge().compile(name="judge"),
    "flawed_paths": lambda: create_flawed_paths().compile(name="flawed_paths"),
    "auto_critique": lambda: create_auto_critique().compile(name="auto_critique"),
    "practice": lambda: create_practice(
        "miniature:actor",
        "miniature:critic",
        tries=1,
        temperature=1.0,
        max_tokens=1024,
        critic_max_tokens=1536,
        seed=0,
    ).compile(name="practice"),
    "self_improve": lambda: create_self_improve().compile(name="self_improve"),
    "self_talk": lambda: create_self_talk().compile(name="self_talk"),
}
GraphName = Literal[
    "actor_critic",
    "ask",
    "chat",
    "comparison_pool",
    "exploration",
    "judge",
    "flawed_paths",
    "auto_critique",
    "practice",
    "self_improve",
    "self_talk",
]


def graph(name: GraphName = "actor_critic", /, *, png: Path | None = None) -> int:
    """Draw a graph: mermaid text on stdout, or a picture.

    Args:
        name: Name of the graph to draw.
        png: File for a PNG picture, instead of text (needs Graphviz and pygraphviz).
    """
    drawing = Graphs[name]().get_graph()
    if png is None:
        print_text(drawing.draw_mermaid())
        return 0
    try:
        drawing.draw_png(str(png))
    except ImportError as error:
        raise MissingDependencyError("pygraphviz", extra="png", purpose="--png") from error
    log.print(f"written: {png}")
    return 0


def prompts(*, name: str = "default") -> int:
    """Print a wording of the prompts as a YAML file to start from; its comments say which slots each node has.

    Args:
        name: Wording that ships (`default`, `math-en`, `math-zh`), or a file.
    """
    print_text(prompts_file(read_prompts(name)))
    return 0
