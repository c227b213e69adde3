"""The compiled graphs `langgraph.json` serves, with the miniature as default models.

No checkpointer is compiled in: the server brings its own.
"""

from critique_graph.graphs.actor_critic import create_actor_critic

actor_critic = create_actor_critic().compile(name="actor_critic")
