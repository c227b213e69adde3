"""Bring your own domain as a task: here times of day, which count as equal within five minutes.

python examples/own_task.py
"""

import re
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from critique_graph import FunctionGrader, Task, create_actor_critic, prompts_ending_in


def read_time(text: str) -> str | None:
    """Give the last time of day in a text, such as 14:30."""
    times = re.findall(r"\b(?:[01]?\d|2[0-3]):[0-5]\d\b", text)
    return times[-1] if times else None


def is_near(answer: str, reference: str) -> bool:
    """Tell whether two times are at most five minutes apart."""
    (h, m), (k, n) = (map(int, time.split(":")) for time in (answer, reference))
    return abs(h * 60 + m - k * 60 - n) <= 5


times = Task(
    name="times",
    grader=FunctionGrader(read=read_time, is_correct=is_near, is_same=is_near),
    prompts=prompts_ending_in("The answer is HH:MM."),
)


class Student(BaseChatModel):
    """Stands for your model: it answers 14:10, and 14:45 once a critique says that this is wrong."""

    @property
    def _llm_type(self) -> str:
        return "student"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        is_critic = "Check the response" in messages[-1].text
        verdict = "Correct" if "14:45" in messages[-1].text else "Wrong"
        critique = f"Correctness of the final answer: {verdict}\nExplanation: The ride takes an hour and a half."
        answer = f"It leaves at 13:15.\nThe answer is {'14:45' if len(messages) > 1 else '14:10'}."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(critique if is_critic else answer))])


graph = create_actor_critic(Student(), Student(), rounds=2, task=times).compile()
question = "A train leaves at 13:15, and its ride takes about an hour and a half. When does it arrive?"
result = graph.invoke({"question": question, "reference": "14:47"})
print(f"answer: {result['answer']}, {result['grade']['outcome']}, after {len(result['chains'][0]['rounds'])} critiques")
