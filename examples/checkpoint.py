"""Keep the state of each question in SQLite, with strict deserialisation, and read it back.

pip install langgraph-checkpoint-sqlite
LANGGRAPH_STRICT_MSGPACK=true python examples/checkpoint.py
"""

import sqlite3
import tempfile
from pathlib import Path

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver

from critique_graph import create_actor_critic

thread: RunnableConfig = {"configurable": {"thread_id": "question-1"}}

with tempfile.TemporaryDirectory() as folder:
    connection = sqlite3.connect(Path(folder) / "app.sqlite", check_same_thread=False)
    graph = create_actor_critic().compile(checkpointer=SqliteSaver(connection))
    graph.invoke({"question": "Eva has 9 books. Eva buys 13 more. How many books does Eva have?"}, thread)
    state = graph.get_state(thread)
    connection.close()

print(f"chains kept: {len(state.values['chains'])}, unfinished tasks: {len(state.tasks)}")
