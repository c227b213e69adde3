"""Graders of other packages: what each says of an answer. Where a package is not installed, its tests are skipped.

verifiers and inspect_ai pin packages that the tests need in other versions, so they are not in the extra `test`; in an
environment with them: `pip install verifiers inspect_ai`.
"""

from importlib.util import find_spec
from typing import Any

import pytest

from critique_graph import FunctionGrader
from critique_graph.grading.functions import IsCorrect, is_enough, whole_response
from critique_graph.tasks.langsmith_evaluators import langsmith_evaluator
from critique_graph.tasks.trl_rewards import trl_reward


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


async def outcomes(is_correct: IsCorrect, *pairs: tuple[str, str]) -> list[str]:
    grader = FunctionGrader(read=whole_response, is_correct=is_correct)
    return [(await grader.grade(grader.extract(response), reference)).outcome for response, reference in pairs]


@needs("trl")
async def test_reward_of_trl():
    from trl.rewards import accuracy_reward

    found = await outcomes(
        trl_reward(accuracy_reward),
        ("So \\boxed{\\frac{1}{3}}", r"\frac{1}{3}"),
        ("So \\boxed{\\frac{1}{2}}", r"\frac{1}{3}"),
        ("So \\boxed{3}", "no formula at all"),
    )

    assert found == ["correct", "incorrect", "ungraded"]


async def test_reward_function_of_texts():
    async def length_reward(completions: list[str], gold: list[str], **columns: Any) -> list[float | None]:
        return [min(1.0, len(text) / int(length)) for text, length in zip(completions, gold, strict=True)]

    is_correct = trl_reward(length_reward, column="gold", at_least=0.5, is_conversational=False)

    assert await outcomes(is_correct, ("ab", "4"), ("a", "4"), ("a", "x")) == ["correct", "incorrect", "ungraded"]


@needs("openevals")
async def test_evaluator_of_openevals():
    from openevals import exact_match, exact_match_async

    for evaluator in (exact_match, exact_match_async):
        found = await outcomes(langsmith_evaluator(evaluator), ("Paris", "Paris"), ("Rome", "Paris"))
        assert found == ["correct", "incorrect"]


@needs("openevals")
async def test_judge_of_openevals():
    from fakes import ScriptedModel
    from langchain_core.runnables import RunnableLambda
    from openevals import create_llm_as_judge

    class Judge(ScriptedModel):
        def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
            return RunnableLambda(lambda prompt: {"score": "Paris" in str(prompt), "reasoning": "It is Paris."})

    judge = create_llm_as_judge(prompt="Is {outputs} the same as {reference_outputs}?", judge=Judge())

    assert await outcomes(langsmith_evaluator(judge), ("It is Paris", "P"), ("Rome", "P")) == ["correct", "incorrect"]


async def test_evaluator_of_langsmith():
    from langsmith.evaluation import EvaluationResult

    def is_equal(outputs: str, reference_outputs: str) -> EvaluationResult:
        return EvaluationResult(key="equal", score=None if outputs == "?" else outputs == reference_outputs)

    found = await outcomes(langsmith_evaluator(is_equal), ("Paris", "Paris"), ("Rome", "Paris"), ("?", "Paris"))

    assert found == ["correct", "incorrect", "ungraded"]


@needs("verifiers")
async def test_task_of_verifiers():
    from verifiers import v1 as vf

    from critique_graph.tasks.verifiers_tasks import verifiers_task

    class City(vf.TaskData):
        answer: str

    class CityTask(vf.Task[City]):
        @vf.reward(weight=0.75)
        async def names_it(self, trace: vf.Trace) -> float:
            return float(self.data.answer in trace.last_reply)

        @vf.reward(weight=0.25)
        async def is_short(self, trace: vf.Trace) -> float:
            if "crash" in trace.last_reply:
                raise RuntimeError("the reward crashed")
            return float(len(trace.last_reply) < 20)

    class NoReward(vf.Task[City]):
        pass

    found = await outcomes(
        verifiers_task(lambda reference: CityTask(City(prompt="Capital?", answer=reference))),
        ("It is Paris.", "Paris"),
        ("It is Paris, of all the cities of the world.", "Paris"),
        ("It is Rome.", "Paris"),
        ("crash", "Paris"),
    )

    assert found == ["correct", "incorrect", "incorrect", "ungraded"]
    bare = verifiers_task(lambda reference: NoReward(City(answer=reference)))
    assert await outcomes(bare, ("Paris", "Paris")) == ["ungraded"]


@needs("inspect_ai")
async def test_scorers_of_inspect_ai():
    from inspect_ai.scorer import Score, Scorer, Target, match, scorer
    from inspect_ai.solver import TaskState

    from critique_graph.tasks.inspect_scorers import inspect_scorer

    @scorer(metrics=[])
    def odd() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            values = {"partly": "P", "yes": True, "list": ["C", "I"], "nan": float("nan")}
            return Score(value=values[target.text]) if target.text in values else None

        return score

    numbers = inspect_scorer(match(numeric=True))
    assert await outcomes(numbers, ("It costs $1,200", "1200"), ("It costs 12", "1200")) == ["correct", "incorrect"]
    pairs = [("?", target) for target in ("partly", "yes", "list", "nan", "none")]
    assert await outcomes(inspect_scorer(odd(), at_least=0.5), *pairs) == [
        "correct",
        "correct",
        "ungraded",
        "ungraded",
        "ungraded",
    ]
    assert await outcomes(inspect_scorer(odd()), ("?", "partly")) == ["incorrect"]


@pytest.mark.parametrize(
    ("score", "found"), [(1, True), (True, True), (0.9, False), (False, False), (None, None), (float("nan"), None)]
)
def test_score_that_is_enough(score: object, found: bool | None):
    assert is_enough(score, 1.0) is found


def test_word_is_no_score():
    with pytest.raises(TypeError, match="a score must be a number, True or False, and is 'good'"):
        is_enough("good", 1.0)
