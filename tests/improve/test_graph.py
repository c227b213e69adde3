"""Self-improvement as a graph: what is kept, from what is trained, which is best, and how it goes on after a crash."""

import json
import signal
from pathlib import Path
from typing import Any, get_args

import learning
import pytest
from hashed_model import HashedModel
from langgraph.checkpoint.memory import InMemorySaver
from learning import START, FakeTrainer, improved

from critique_graph.core.errors import RunError
from critique_graph.core.prompts import REFINE_INSTRUCTION
from critique_graph.improve.graph import create_self_improve
from critique_graph.runs.traces import read_traces


def without_time(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_time(item) for key, item in value.items() if "seconds" not in key}
    return [without_time(item) for item in value] if isinstance(value, list) else value


def test_every_iteration_explores_with_the_last_actor_and_trains_from_the_base(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    result = improved(tmp_path, trainer)
    models = [f"hf:{tmp_path}/iteration-{index}/model" for index in (1, 2)]
    assert [found["model"] for found in result["iterations"]] == models
    assert [found["actor"] for found in result["iterations"]] == [START, models[0]]
    assert [order.start for order in trainer.orders] == [START, START]
    assert result["end"] == {"state": "complete", "reason": None}


def test_training_can_go_on_from_the_last_model(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    improved(tmp_path, trainer, train_from="last")
    assert [order.start for order in trainer.orders] == [START, f"hf:{tmp_path}/iteration-1/model"]


def test_right_responses_and_right_refinements_answer_the_bare_question(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    (first, _) = improved(tmp_path, trainer)["iterations"]
    chains = [chain for trace in read_traces(tmp_path / "iteration-1" / "explore") for chain in trace.chains]
    right = [chain for chain in chains if chain.response.grade.is_correct]
    refined = [chain for chain in chains if chain.rounds and chain.rounds[0].refinement.grade.is_correct]
    assert 0 < first["kept_refined"] == len(refined)
    assert (first["kept_direct"], first["rows"]) == (len(right), len(right) + len(refined))
    assert all(len(row["prompt"]) == 1 for row in trainer.learned[0])
    learned = sorted(row["completion"][0]["content"] for row in trainer.learned[0])
    kept = [chain.response.text for chain in right] + [chain.rounds[0].refinement.text for chain in refined]
    assert learned == sorted(kept)


def test_record_says_of_how_hard_problems_the_rows_are(tmp_path: Path) -> None:
    (found,) = improved(tmp_path, iterations=1)["iterations"]
    shares = {level: rate["value"] for level, rate in found["kept_by_difficulty"].items()}
    assert sum(shares.values()) == pytest.approx(1)
    assert found["kept_hard"]["value"] == shares["2"], "levels are 0 to 2"
    assert found["covered"]["n"] == len(learning.PROBLEMS.training)


def test_only_wrong_responses_are_critiqued_and_one_refinement_is_kept_of_each(tmp_path: Path) -> None:
    improved(tmp_path, iterations=1)
    for trace in read_traces(tmp_path / "iteration-1" / "explore"):
        for chain in trace.chains:
            assert len(chain.rounds) == (0 if chain.response.grade.is_correct else 1)
            for round_ in chain.rounds:
                assert len(round_.discarded) <= 2
                assert round_.refinement.grade.is_correct or len(round_.discarded) == 2
                assert chain.usage("actor").calls == 2 + len(round_.discarded)


def test_without_a_critic_wrong_responses_are_left(tmp_path: Path) -> None:
    result = improved(tmp_path, critic=None)
    assert [found["kept_refined"] for found in result["iterations"]] == [0, 0]
    assert result["iterations"][0]["exploration_tokens"]["critic"] == 0
    assert result["iterations"][0]["repaired"]["value"] is None
    assert result["start"]["accuracy_with_critic"] is None


def test_vanilla_can_be_measured_with_a_critic(tmp_path: Path) -> None:
    result = improved(tmp_path, critic=None, test_critic=HashedModel(model="critic"))
    assert result["iterations"][1]["kept_refined"] == 0
    assert result["iterations"][1]["gain_of_critic"]["n"] == 10


def test_feedback_previous_and_original_rows_are_learned_too(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "?"}], "completion": [{"role": "assistant", "content": "!"}]}
    (tmp_path / "old.jsonl").write_text(json.dumps(row) + "\n")
    trainer = FakeTrainer()
    first, second = improved(
        tmp_path / "out", trainer, feedback=True, previous=True, original=str(tmp_path / "old.jsonl")
    )["iterations"]
    feedback = [row for row in trainer.learned[0] if REFINE_INSTRUCTION in row["prompt"][-1]["content"]]
    assert len(feedback) == first["kept_refined"]
    assert first["rows"] == first["kept_direct"] + 2 * first["kept_refined"] + 1
    assert second["rows"] == second["kept_direct"] + 2 * second["kept_refined"] + first["rows"]
    assert row in trainer.learned[1]


def test_copies_caps_and_levels_are_options(tmp_path: Path) -> None:
    (plain,) = improved(tmp_path / "plain", iterations=1)["iterations"]
    (chosen,) = improved(tmp_path / "chosen", iterations=1, distinct=True, per_problem=1, balance="level")["iterations"]
    assert plain["dropped"] == {}
    assert set(chosen["dropped"]) >= {"duplicate"}
    assert len({rate["value"] for rate in chosen["kept_by_difficulty"].values()}) == 1


def test_iteration_that_keeps_nothing_ends_it_with_the_reason(tmp_path: Path) -> None:
    trainer = FakeTrainer(skill=lambda rows: 0)
    result = improved(tmp_path, trainer, iterations=3)
    assert len(result["iterations"]) == 1
    assert result["end"]["state"] == "stopped_early"
    assert result["end"]["reason"] == "iteration 2 kept nothing: none of 80 responses was correct, nor any refinement"
    assert improved(tmp_path, trainer, iterations=3) == result
    assert len(trainer.orders) == 1


def test_best_stays_when_a_model_collapses(tmp_path: Path) -> None:
    skills = iter([250, 1])
    result = improved(tmp_path, FakeTrainer(skill=lambda rows: next(skills)))
    accuracies = [found["validation"]["value"] for found in result["iterations"]]
    assert accuracies[0] > result["start"]["validation"]["value"] > accuracies[1]
    assert result["best"]["index"] == 1
    assert json.loads((tmp_path / "best.json").read_text()) == result["best"]


def test_start_is_best_when_nothing_got_better(tmp_path: Path) -> None:
    result = improved(tmp_path, FakeTrainer(skill=lambda rows: 20), iterations=1)
    assert (result["best"]["index"], result["best"]["model"]) == (0, START)


@pytest.mark.slow
@pytest.mark.parametrize("stage", get_args(learning.Stage))
def test_killed_in_a_stage_it_ends_as_if_it_had_not_been(stage: learning.Stage, tmp_path: Path) -> None:
    whole = improved(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "whole")
    process = learning.start(tmp_path / "out", stage)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "out" / "iteration-2" / "record.json").exists()
    trainer = FakeTrainer()
    assert without_time(improved(tmp_path / "out", trainer)) == without_time(whole)
    assert len(trainer.orders) == 1, "the first iteration is not trained again"
    for name in ("kept.jsonl", "rows.jsonl"):
        again, before = (tmp_path / folder / "iteration-2" / name for folder in ("out", "whole"))
        assert again.read_bytes() == before.read_bytes()


def test_same_call_again_calls_no_model_and_trains_nothing(tmp_path: Path) -> None:
    first = improved(tmp_path)
    trainer = FakeTrainer()
    assert improved(tmp_path, trainer) == first
    assert trainer.orders == []


def test_more_iterations_go_on_from_those_there_are(tmp_path: Path) -> None:
    first = improved(tmp_path, iterations=1)
    trainer = FakeTrainer()
    result = improved(tmp_path, trainer, iterations=2)
    assert result["iterations"][0] == first["iterations"][0]
    assert len(trainer.orders) == 1


def test_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    improved(tmp_path, iterations=1)
    with pytest.raises(RunError, match="was begun with samples 4, not 5"):
        improved(tmp_path, iterations=1, samples=5)


def test_settings_can_be_given_with_the_invocation(tmp_path: Path) -> None:
    graph = create_self_improve(
        START, None, problems=learning.PROBLEMS, trainer=FakeTrainer(), load=learning.load, samples=2
    ).compile()
    result = graph.invoke({"out": str(tmp_path)}, context={"iterations": 1})
    assert len(result["iterations"]) == 1
    traces = list(read_traces(tmp_path / "iteration-1" / "explore"))
    assert [len(trace.chains) for trace in traces] == [2] * 20


async def test_it_runs_inside_an_event_loop_too(tmp_path: Path) -> None:
    graph = create_self_improve(
        START, None, problems=learning.PROBLEMS, trainer=FakeTrainer(), load=learning.load, samples=2, iterations=1
    ).compile()
    result = await graph.ainvoke({"out": str(tmp_path)})
    assert len(result["iterations"]) == 1


def test_recursion_limit_ends_it_between_iterations_and_the_same_input_goes_on(tmp_path: Path) -> None:
    graph = create_self_improve(
        START, None, problems=learning.PROBLEMS, trainer=FakeTrainer(), load=learning.load, samples=2, iterations=2
    ).compile()
    given = {"out": str(tmp_path)}
    at_start, early, later = (graph.invoke(given, {"recursion_limit": limit}) for limit in (3, 7, 6))
    assert [len(result["iterations"]) for result in (at_start, early, later)] == [0, 1, 2]
    assert [result["end"]["state"] for result in (at_start, early, later)] == ["stopped_early"] * 2 + ["complete"]
    assert "recursion limit leaves too few super-steps for iteration 2" in early["end"]["reason"]
    assert later["best"] == improved(tmp_path, critic=None, samples=2, refinements=5)["best"]


def test_another_folder_on_the_same_thread_starts_clean(tmp_path: Path) -> None:
    graph = create_self_improve(
        START, None, problems=learning.PROBLEMS, trainer=FakeTrainer(), load=learning.load, samples=2, iterations=1
    ).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    first, second = (graph.invoke({"out": str(tmp_path / name)}, thread) for name in ("a", "b"))
    assert second["iterations"][0]["model"] == f"hf:{tmp_path}/b/iteration-1/model"
    paused = graph.invoke({"out": str(tmp_path / "c")}, thread, interrupt_after=["resume"])
    assert (paused["start"], paused["iterations"], paused["best"]) == (None, [], {})
    assert first["end"] == second["end"] == {"state": "complete", "reason": None}
