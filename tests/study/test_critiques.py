"""The part `critiques` of a study: what a budget is best spent on."""

import csv
from pathlib import Path

import pytest
from hashed_model import addition_problems
from improving import CERTAIN, Improving

from critique_graph.study.critiques import SPLITS
from critique_graph.study.figures import write_figures
from critique_graph.study.part import Finding, PartResult
from critique_graph.study.run import run_study

PROBLEMS = addition_problems(60)


def play(out: Path, actor: Improving) -> PartResult:
    (part,) = run_study(PROBLEMS, out=out, actor=actor, only=["critiques"]).parts
    return part


def finding(part: PartResult, name: str) -> Finding:
    return next(found for found in part.findings if found.name == name)


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> PartResult:
    """A weak actor, with a critic that is always correct and refinements that are, too."""
    return play(tmp_path_factory.mktemp("helped"), Improving(model="pair", skill=60))


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> PartResult:
    """A good actor that refines badly, with a critic that is wrong in three verdicts of ten."""
    return play(tmp_path_factory.mktemp("harmed"), Improving(model="pair", skill=220, refined_skill=30, judgement=180))


def test_split_with_a_critic_is_chosen_and_measured_on_the_other_half(helped: PartResult):
    found = finding(helped, "best_split_beats_best_vote_within_calls")

    assert (found.holds, found.n) == ("yes", len(PROBLEMS) // 2)
    assert "critique was chosen: 100.0 %" in found.estimate
    assert found.compute.startswith("matched by the budget: ")


def test_where_the_critic_harms_a_vote_is_chosen(harmed: PartResult):
    found = finding(harmed, "best_split_beats_best_vote_within_calls")

    assert (found.value, found.holds) == (0.0, "unclear")
    assert found.estimate.endswith("the best without a critic itself.")


def test_care_spoils_fewer_correct_responses(harmed: PartResult):
    spoilt = {row["split"]: row["spoilt"] for row in harmed.tables["splits"]}
    found = finding(harmed, "keeping_the_original_spoils_fewer")

    assert spoilt["greedy"] == 0
    assert spoilt["critique-kept"] < spoilt["critique"]
    assert found.value == pytest.approx((spoilt["critique-kept"] - spoilt["critique"]) / len(PROBLEMS))
    assert found.holds == "yes"


def test_every_split_and_every_budget_is_a_row(helped: PartResult):
    assert [row["split"] for row in helped.tables["splits"]] == list(SPLITS)
    assert [row["calls"] for row in helped.tables["splits"]][:5] == [1, 3, 5, 9, 17]
    budgets = helped.tables["budgets"]
    assert [row["unit"] for row in budgets] == [unit for unit in ("tokens", "calls", "seconds") for _ in range(3)]
    assert all(row["chosen"] in SPLITS for row in budgets)


def test_figure_has_the_best_split_of_each_strategy(helped: PartResult, tmp_path: Path):
    pytest.importorskip("matplotlib")
    write_figures([helped], tmp_path)

    with (tmp_path / "critiques.csv").open() as file:
        drawn = [(row["line"], float(row["correct"])) for row in csv.DictReader(file)]
    curve = [row for row in helped.tables["curve"] if row["unit"] == "tokens"]
    assert drawn == [(row["strategy"], row["accuracy"]) for row in curve]
    assert {"without a critic", "one critique", "several critiques", "pool"} <= {name for name, _ in drawn}


def test_same_command_again_asks_no_model(tmp_path: Path):
    play(tmp_path, Improving(model="pair", skill=CERTAIN))
    again = Improving(model="pair", skill=CERTAIN)
    part = play(tmp_path, again)

    assert again.prompts == []
    assert part.left_out is None


def test_without_references_it_is_left_out(tmp_path: Path):
    problems = [problem.model_copy(update={"answer": None}) for problem in PROBLEMS[:3]]
    (part,) = run_study(problems, out=tmp_path, actor=Improving(model="pair"), only=["critiques"]).parts

    assert part.left_out == "It needs reference answers, and no problem with one was finished."
