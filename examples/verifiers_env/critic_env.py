"""The loop as an environment of verifiers: a critic learns from whether its verdict is correct and its critique helps.

    pip install critique-graph verifiers
    cd examples/verifiers_env && eval critic-env --env.taskset.problems problems.jsonl --env.actor.model ACTOR -m CRITIC

The actor solves; the critic judges; where it says wrong, the actor refines. Only the critic is trainable. Its two
rewards follow the stages of Critique-RL: its verdict agrees with the reference, and the answer after its critique is
correct.
"""

from collections.abc import Iterable, Sequence

import verifiers.v1 as vf
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from verifiers.v1.harnesses.null import NullHarnessConfig

from critique_graph import MathGrader, load_problems, parse_critique
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages

__all__ = ["CriticEnv", "Problems"]


class ProblemData(vf.TaskData):
    question: str
    reference: str


class ProblemTask(vf.Task[ProblemData]):
    """A prompt about a problem: to solve it, to judge a response, or to refine one."""

    def about(self, messages: Sequence[BaseMessage]) -> "ProblemTask":
        """Give a task with the same problem and another prompt."""
        prompt = convert_to_openai_messages(messages)
        return ProblemTask(ProblemData.model_validate({**self.data.model_dump(), "prompt": prompt}))

    async def is_correct(self, response: str) -> bool:
        """Tell whether a response's answer equals the reference."""
        grader = MathGrader()
        return (await grader.grade(grader.extract(response), self.data.reference)).is_correct


class ProblemsConfig(vf.TasksetConfig):
    problems: str = "miniature"
    """Problem set, named like PROBLEMS of `critique-graph run`."""


class Problems(vf.Taskset[ProblemTask, ProblemsConfig]):
    def load(self) -> Iterable[ProblemTask]:
        for problem in load_problems(self.config.problems):
            if problem.answer is not None:  # the rewards need it
                data = ProblemData(question=problem.question, reference=problem.answer)
                yield ProblemTask(data).about(solve_messages(problem.question))


class CriticEnvConfig(vf.EnvConfig):
    actor: vf.AgentConfig = vf.AgentConfig(harness=NullHarnessConfig(id="null"), runtime=vf.SubprocessConfig())
    critic: vf.AgentConfig = vf.AgentConfig(harness=NullHarnessConfig(id="null"), runtime=vf.SubprocessConfig())


class CriticEnv(vf.Env[CriticEnvConfig]):
    async def setup(self, agents: vf.Agents) -> None:
        agents.actor.trainable = False

    async def run(self, task: ProblemTask, agents: vf.Agents) -> None:
        question = task.data.question
        solved = await agents.actor.run(task)
        if not solved.ok:
            return  # the episode ends without a critique to learn from
        judged = await agents.critic.run(task.about(critique_messages(question, solved.last_reply)))
        critique = parse_critique(judged.last_reply, solved.last_reply)
        if judged.ok and critique.final == "wrong":
            await agents.actor.run(task.about(refine_messages(question, solved.last_reply, critique.text)))

    async def finalize(self, task: ProblemTask, episode: vf.Episode) -> None:
        if not all(trace.ok for trace in episode.traces):
            return  # a call that failed says nothing about the critic
        solved, judged, *refined = episode.traces
        is_correct = [await task.is_correct(trace.last_reply) for trace in (solved, *refined)]
        verdict = parse_critique(judged.last_reply, solved.last_reply).final
        judged.record_reward("verdict", 1.0 if verdict == ("correct" if is_correct[0] else "wrong") else -1.0)
        judged.record_reward("helps", float(is_correct[-1]))
