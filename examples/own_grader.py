"""Grade answers of another domain with your own grader: here multiple choice, answered by a letter.

python examples/own_grader.py
"""

import re
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from critique_graph import Grade, create_actor_critic


class ChoiceGrader:
    """Reads the last single letter from A to D; two answers are equal if they are the same letter."""

    def extract(self, text: str) -> str | None:
        letters = re.findall(r"\b[A-D]\b", text)
        return letters[-1] if letters else None

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        answer = self.extract(prediction or "")
        return Grade(outcome="correct" if answer == reference else "incorrect")

    async def equivalent(self, a: str, b: str) -> bool:
        return a == b

    async def aclose(self) -> None:
        pass


class Student(BaseChatModel):
    """Stands for your model: it answers B, and C once a critique says so."""

    @property
    def _llm_type(self) -> str:
        return "student"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        is_critic = "Check the response" in messages[-1].text
        verdict = "Correct" if "answer is C" in messages[0].text else "Wrong"
        critique = f"Correctness of the final answer: {verdict}\nExplanation: Canberra is choice C."
        answer = f"It is a city.\nThe answer is {'C' if len(messages) > 1 else 'B'}."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(critique if is_critic else answer))])


graph = create_actor_critic(Student(), Student(), rounds=2, grader=ChoiceGrader()).compile()
question = "Which city is the capital of Australia? A Sydney, B Melbourne, C Canberra, D Perth"
result = graph.invoke({"question": question, "reference": "C"})
print(f"answer: {result['answer']}, {result['grade']['outcome']}, after {len(result['chains'][0]['rounds'])} critiques")
