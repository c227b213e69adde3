"""Tasks of verifiers (version 1 of its API: rewards and judges of a `verifiers.v1.Task`) as graders."""

from collections.abc import Callable

from verifiers import v1 as vf
from verifiers.v1.graph import MessageNode
from verifiers.v1.trace import TraceTask

from critique_graph.grading.functions import IsCorrect, is_enough


def verifiers_task(make: Callable[[str], vf.Task], *, at_least: float = 1.0) -> IsCorrect:
    """Give `is_correct` of a `FunctionGrader` that scores an answer as a task of verifiers does.

    The trace that is scored has the prompt of the task's data and the answer as the one reply. Rewards that need a
    runtime are not asked; an answer for which one was not given is ungraded.

    Example:
        >>> is_correct = verifiers_task(lambda reference: MyTask(MyData(prompt="", answer=reference)))

    Args:
        make: Makes the task of a reference.
        at_least: Lowest sum of the weighted rewards of a correct answer.
    """

    async def is_correct(answer: str, reference: str) -> bool | None:
        task = make(reference)
        nodes = [
            MessageNode(message=vf.UserMessage(content=task.data.prompt_text)),
            MessageNode(message=vf.AssistantMessage(content=answer), parent=0, sampled=True),
        ]
        seat = vf.AgentInfo(config=vf.AgentConfig(), name="graded", trainable=False)
        trace = vf.Trace(task=TraceTask(type=type(task).__name__, data=task.data), agent=seat, nodes=nodes)
        await task.score(trace)
        if not trace.rewards:
            raise ValueError(f"{type(task).__name__} gives no reward without a runtime")
        return None if None in trace.rewards.values() else is_enough(trace.reward, at_least)

    return is_correct
