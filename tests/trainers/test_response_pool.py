"""The responses that a critic learns to judge, with scripted partners."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import ScriptedModel, reply, solution
from langchain_core.messages import BaseMessage

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Problem
from critique_graph.nodes.critique import critique_messages
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.trainers.response_pool import sample_responses, select_responses
from critique_graph.trainers.rows import as_messages
from critique_graph.trainers.selection import Selected
from critique_graph.trainers.settings import ReinforcementSettings

PROBLEMS = [Problem(id=name, question=f"{name}: 3 + 4?", answer="7") for name in ("a", "b", "c")]


def selected(partner: ScriptedModel, folder: Path, *, responses: int = 1) -> Selected:
    settings = ReinforcementSettings(responses=responses)
    name = RoleModel(model="scripted")
    sample_responses(ProblemSet.of(PROBLEMS), partner, folder, name=name, settings=settings, seed=0)
    return select_responses(folder, prompts=DEFAULT_PROMPTS, per_problem=8, seed=0)


def wrong_about(*names: str) -> ScriptedModel:
    def answer(messages: Sequence[BaseMessage]) -> str:
        return solution(8 if any(f"{name}: " in messages[-1].text for name in names) else 7)

    return ScriptedModel(answer=answer)


def test_correct_and_wrong_responses_are_judged_in_equal_numbers(tmp_path: Path):
    found = selected(wrong_about("a"), tmp_path / "run")

    assert sorted(row["is_correct"] for row in found.rows) == [False, True]
    assert found.dropped == {"out of balance": 1}
    wrong = next(row for row in found.rows if not row["is_correct"])
    assert wrong == {
        "prompt": as_messages(critique_messages("a: 3 + 4?", solution(8))),
        "problem": "a",
        "chain": 0,
        "question": "a: 3 + 4?",
        "response": solution(8),
        "reference": "7",
        "is_correct": False,
    }


def test_same_responses_and_those_that_are_cut_off_are_left_out(tmp_path: Path):
    replies = {"a": solution(8), "b": reply(solution(7), finish_reason="length"), "c": solution(7)}
    partner = ScriptedModel(answer=lambda messages: replies[messages[-1].text.partition(": ")[0][-1]])

    found = selected(partner, tmp_path / "run", responses=2)

    assert [(row["problem"], row["is_correct"]) for row in found.rows] == [("a", False), ("c", True)]


def test_same_call_samples_no_more(tmp_path: Path):
    first, partner = selected(wrong_about("b"), tmp_path / "run"), ScriptedModel()

    assert selected(partner, tmp_path / "run") == first
    assert partner.prompts == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "all 3 responses of the partner are correct.*harder problems, or raise --response-temperature"),
        (("a", "b", "c"), "all 3 responses of the partner are wrong.*take easier problems"),
    ],
)
def test_responses_of_one_kind_are_refused(names: tuple[str, ...], message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        selected(wrong_about(*names), tmp_path / "run")
