"""Put a person in the critic's place: the graph stops at `interrupt()` and resumes with what the person writes.

python examples/human_critic.py
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from critique_graph import create_actor_critic


class HumanCritic(BaseChatModel):
    """Shows the critic's prompt to a person and gives their words as the critique."""

    @property
    def _llm_type(self) -> str:
        return "human"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        written = interrupt({"please_critique": messages[-1].text})
        return ChatResult(generations=[ChatGeneration(message=AIMessage(written))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(messages)


graph = create_actor_critic(critic=HumanCritic()).compile(checkpointer=InMemorySaver())
thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
question = "Mia has 7 shells. Mia finds 6 more shells. Then Mia has 2 times as many. How many shells does Mia have?"

paused = graph.invoke({"question": question}, thread)
print(paused["__interrupt__"][0].value["please_critique"])

critique = """\
Step sentence: Mia has 7 + 6 = 13 shells.
Correctness of the step: Correct
Explanation: 7 + 6 is 13.

Step sentence: Mia has 13 * 2 = 26 shells.
Correctness of the step: Correct
Explanation: Two times 13 is 26.

Correctness of the final answer: Correct
Explanation: No step is wrong."""
print("answer:", graph.invoke(Command(resume=critique), thread)["answer"])
