"""The compiled graphs that `langgraph.json` serves, with the miniature as default models.

No checkpointer is compiled in: the server brings its own.
"""

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.improve.graph import create_self_improve

actor_critic = create_actor_critic().compile(name="actor_critic")
flawed_paths = create_flawed_paths().compile(name="flawed_paths")
auto_critique = create_auto_critique().compile(name="auto_critique")
self_talk = create_self_talk().compile(name="self_talk")
self_improve = create_self_improve().compile(name="self_improve")
