"""Let the loop write programs, which are graded by unit tests: here one row of MBPP's format and a fake model.

python examples/code_task.py
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from critique_graph import read_traces, run_problems

ROW = {
    "task_id": 1,
    "text": "Write a function to find the largest number of a list, or None if it is empty.",
    "code": "def largest(numbers):\n    return max(numbers, default=None)",
    "test_list": ["assert largest([3, 7, 5]) == 7", "assert largest([]) is None"],
}


class Programmer(BaseChatModel):
    """Stands for your model: it forgets the empty list, until a critique says so."""

    @property
    def _llm_type(self) -> str:
        return "programmer"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        is_critic = "Check the response" in messages[-1].text
        verdict = "Correct" if "default=None" in messages[-1].text else "Wrong"
        critique = f"Correctness of the final answer: {verdict}\nExplanation: max of an empty list raises ValueError."
        call = "max(numbers, default=None)" if len(messages) > 1 else "max(numbers)"
        response = f"The program is:\n```python\ndef largest(numbers):\n    return {call}\n```"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(critique if is_critic else response))])


with TemporaryDirectory() as folder:
    problems, out = Path(folder, "mbpp.jsonl"), Path(folder, "run")
    problems.write_text(json.dumps(ROW))
    summary = run_problems(problems, task="code", actor=Programmer(), critic=Programmer(), out=out)
    (trace,) = read_traces(out)
    first, refined = trace.chains[0].responses
for response in (first, refined):
    assert response.grade is not None
    print(f"{response.grade.outcome}: {response.grade.reason}")
print(f"accuracy {summary.accuracy_first.percent()} -> {summary.accuracy_final.percent()}")
