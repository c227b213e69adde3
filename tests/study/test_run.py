from pathlib import Path
from typing import Any

import orjson
import pytest
from hashed_model import addition_problems
from improving import ANSWERED, Improving

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.load import load_problems
from critique_graph.solve.run import run_problems
from critique_graph.study.part import Finding, PartResult
from critique_graph.study.run import PARTS, Study, run_study

PARTS_HERE = ["difficulty", "scaling", "stability", "sequential", "sizes", "critics"]
PROBLEMS = addition_problems(12)


def study(out: Path, actor: Improving, problems: list[Problem] = PROBLEMS, **settings: Any) -> Study:
    given = {"samples": 3, "chains": 2, "rounds": 3, "only": PARTS_HERE, **settings}
    return run_study(problems, out=out, actor=actor, **given)


def part(study: Study, name: str) -> PartResult:
    return next(part for part in study.parts if part.part == name)


def finding(study: Study, name: str) -> Finding:
    return next(found for part in study.parts for found in part.findings if found.name == name)


def test_every_part_ends_in_findings_with_their_numbers(tmp_path: Path):
    critics = [Improving(model="weak", judgement=100)]
    actors = [Improving(model="small", skill=40), Improving(model="large", skill=230)]
    found = study(tmp_path, Improving(model="pair", skill=100), critics=critics, actors=actors)

    assert [part.part for part in found.parts] == PARTS_HERE
    assert [part.left_out for part in found.parts] == [None] * len(PARTS_HERE)
    for one in (one for part in found.parts for one in part.findings):
        assert one.n == 12 or one.part == "difficulty"  # which divides the problems
        assert one.statement.endswith((").", "which the paper does not measure."))
        assert "matched" in one.compute
    assert Study.model_validate_json((tmp_path / "study.json").read_bytes()) == found
    page = (tmp_path / "README.md").read_text()
    assert all(f"`{one.name}`" in page for part in found.parts for one in part.findings)


def test_critic_that_helps_is_found_to_help(tmp_path: Path):
    critics = [Improving(model="weak", judgement=40)]
    actors = [Improving(model="small", skill=20), Improving(model="large", skill=200)]
    found = study(tmp_path, Improving(model="pair", skill=60), critics=critics, actors=actors)

    for name in (
        "maj_at_k_with_critic_beats_maj_at_3k",
        "vote_is_right_more_often_with_critic",
        "answers_are_more_concentrated_with_critic",
        "critic_raises_accuracy",
        "judges_better_than_others",
        "larger_actors_gain_less",
    ):
        assert finding(found, name).holds == "yes", name


def test_critic_that_harms_is_found_to_harm(tmp_path: Path):
    actor = Improving(model="pair", skill=200, refined_skill=30)
    found = study(tmp_path, actor, only=["scaling", "critics"])

    assert finding(found, "maj_at_k_with_critic_beats_maj_at_3k").holds == "no"
    assert finding(found, "critic_raises_accuracy").holds == "no"
    row = part(found, "critics").tables["critics"][0]
    assert row["harm"] > row["helpfulness"]


def test_parts_share_their_runs_and_no_call_is_made_twice(tmp_path: Path):
    model = Improving(model="pair")
    study(tmp_path, model)

    pool, samples, chains, greedy = 3 * 3, 6, 2 * (1 + 2 * 3), 3
    calls = list(zip(model.prompts, model.seeds, strict=True))
    assert len(set(calls)) == len(calls) == 12 * (pool + samples + chains + greedy)


def test_another_critic_judges_the_responses_that_are_known(tmp_path: Path):
    study(tmp_path, Improving(model="pair"), only=["critics"])
    model, other = Improving(model="pair"), Improving(model="other")
    study(tmp_path, model, critics=[other], only=["critics"])

    assert len(other.prompts) == 12
    assert len(model.prompts) == 12  # refinements
    assert all(ANSWERED.search(prompt) for prompt in model.prompts)


def test_same_command_again_asks_no_model_and_other_parts_are_added(tmp_path: Path):
    first = study(tmp_path, Improving(model="pair"), only=["difficulty"])
    study(tmp_path, Improving(model="pair"), only=["stability"])
    broken = Improving(model="pair", faults={"": RuntimeError("called")})
    again = study(tmp_path, broken, only=["scaling"])

    assert broken.prompts == []
    assert [part.part for part in again.parts] == ["difficulty", "scaling", "stability"]
    assert part(again, "difficulty") == part(first, "difficulty")
    assert again.seconds > first.seconds


def test_more_problems_are_added_to_the_runs(tmp_path: Path):
    study(tmp_path, Improving(model="pair"), limit=8, only=["difficulty"])
    model = Improving(model="pair")
    found = study(tmp_path, model, only=["difficulty"])

    assert found.problems == 12
    assert len(model.prompts) == 4 * (3 * 3 + 6)


def test_fresh_forgets_the_runs(tmp_path: Path):
    study(tmp_path, Improving(model="pair"), only=["stability"])
    model = Improving(model="pair")
    found = study(tmp_path, model, only=["difficulty"], fresh=True)

    assert [part.part for part in found.parts] == ["difficulty"]
    assert len(model.prompts) == 12 * (3 * 3 + 6)


def test_without_references_only_what_needs_none_runs(tmp_path: Path):
    problems = [problem.model_copy(update={"answer": None}) for problem in PROBLEMS]
    found = study(tmp_path, Improving(model="pair", skill=100), problems)

    assert [one.name for part in found.parts for one in part.findings] == ["answers_are_more_concentrated_with_critic"]
    assert all("needs reference answers" in str(part.left_out) for part in found.parts)
    assert found.exit_code(found.failed) == 0


def test_one_actor_is_measured_and_no_sizes_are_compared(tmp_path: Path):
    found = part(study(tmp_path, Improving(model="pair"), only=["sizes"]), "sizes")

    assert found.findings == ()
    assert [row["actor"] for row in found.tables["actors"]] == ["pair"]
    assert found.left_out is not None
    assert "--actors" in found.left_out


def test_model_that_cannot_be_loaded_leaves_its_part_out(tmp_path: Path):
    found = study(tmp_path, Improving(model="pair"), only=["sizes", "critics"], actors=["hf:no/such/model"])

    assert "hf:no/such/model" in str(part(found, "sizes").left_out)
    assert part(found, "critics").findings != ()


def test_levels_are_a_problem_file_that_run_takes(tmp_path: Path):
    found = study(tmp_path / "study", Improving(model="pair", skill=128), only=["difficulty"])
    file = tmp_path / "study" / "difficulty" / "problems.jsonl"

    problems = list(load_problems(file))
    rows = part(found, "difficulty").tables["problems"]
    assert [(p.id, p.level) for p in problems] == [(row["id"], row["level"]) for row in rows]
    assert [(p.question, p.answer) for p in problems] == [(p.question, p.answer) for p in PROBLEMS]
    summary = run_problems(file, actor=Improving(model="pair"), out=tmp_path / "run")
    assert sorted(summary.by_level) == sorted({row["level"] for row in rows})


def test_run_that_stops_early_stops_the_study(tmp_path: Path):
    broken = Improving(model="pair", faults={"": RuntimeError("no")})
    found = study(tmp_path, broken, addition_problems(30))

    assert (found.state, found.parts, found.exit_code(found.failed)) == ("stopped_early", (), 4)
    assert "the same command resumes it" in (tmp_path / "README.md").read_text()


def test_problems_that_fail_are_counted_and_left_out(tmp_path: Path):
    model = Improving(model="pair", faults={"What is 3 + ": RuntimeError("no")})
    found = study(tmp_path, model, only=["scaling"])

    assert found.failed > 0
    assert part(found, "scaling").findings[0].n == 11


def test_two_models_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="two different models are called 'pair'"):
        study(tmp_path, Improving(model="pair"), critics=[Improving(model="pair")])


def test_foreign_study_file_is_refused(tmp_path: Path):
    study(tmp_path, Improving(model="pair"), only=["stability"])
    (tmp_path / "study.json").write_bytes(orjson.dumps({"schema": "other"}))

    with pytest.raises(InputError, match="no result of a study"):
        study(tmp_path, Improving(model="pair"), only=["stability"])


def test_table_of_parts_is_in_the_order_of_the_paper():
    assert [name for name in PARTS if name in PARTS_HERE] == PARTS_HERE
