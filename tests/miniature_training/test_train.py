import asyncio
import json
import shutil
from dataclasses import asdict

import pytest

pytest.importorskip("trl")

from critique_graph.core.errors import InputError
from critique_graph.miniature.shipped import weights_path
from critique_graph.miniature_training import train
from critique_graph.miniature_training.evaluate import evaluate_pair
from critique_graph.miniature_training.tokenizer import build_tokenizer
from critique_graph.miniature_training.train import (
    SMOKE,
    first_good_enough,
    new_model,
    save,
    train_actor,
    train_miniature,
)
from critique_graph.trainers.trainer import SFTResult


@pytest.mark.slow
def test_smoke_plan_trains_a_pair_that_answers_and_resumes_without_training_again(tmp_path):
    results = train_miniature(tmp_path, plan=SMOKE)
    stages = ("copier", "corrector", "base", "solver", "actor", "critic")
    assert {name: result.steps for name, result in results.items()} == dict.fromkeys(stages, 2)
    evaluation = asyncio.run(evaluate_pair(f"hf:{tmp_path}/actor", f"hf:{tmp_path}/critic", n=2, samples=1))
    assert evaluation.actor.greedy.n == 2

    assert train_miniature(tmp_path, plan=SMOKE) == results

    (tmp_path / "critic" / "training.json").unlink()
    weights = (tmp_path / "critic" / "model.safetensors").read_bytes()
    again = train_miniature(tmp_path, plan=SMOKE)
    assert again["actor"] == results["actor"]
    assert (tmp_path / "critic" / "model.safetensors").read_bytes() == weights


def test_folder_of_another_training_is_refused(tmp_path):
    (tmp_path / "miniature.json").write_text('{"seed": 3}')
    with pytest.raises(InputError, match="another seed or plan"):
        train_miniature(tmp_path, plan=SMOKE)


def test_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Ann")
    with pytest.raises(InputError, match="not empty"):
        train_miniature(tmp_path, plan=SMOKE)


@pytest.mark.slow
def test_solver_is_the_first_checkpoint_that_solves_enough(tmp_path, monkeypatch):
    monkeypatch.setattr("critique_graph.miniature_training.train.SOLVER_CHECKS", 20)
    tokenizer = build_tokenizer()
    save(new_model(tokenizer, seed=0), tokenizer, tmp_path / "checkpoint-50")
    assert first_good_enough(tmp_path, seed=1) is None
    for step in (100, 150):
        shutil.copytree(weights_path("actor"), tmp_path / f"checkpoint-{step}")
    monkeypatch.setattr("critique_graph.miniature_training.train.SOLVER_ACCURACIES", (0.25,))
    assert first_good_enough(tmp_path, seed=1) == tmp_path / "checkpoint-100"


@pytest.mark.slow
def test_actor_that_solves_too_many_is_made_again_from_an_earlier_solver(tmp_path, monkeypatch):
    started = []

    def solved(folder, exercises, *, seed):
        return {"checkpoint-1": 0.2, "checkpoint-2": 0.3, "0": 0.9, "1": 0.8, "2": 0.7}[folder.name]

    def load(folder):
        started.append(folder.name)
        return loaded(folder)

    loaded = train._load
    monkeypatch.setattr(train, "_solved", solved)
    monkeypatch.setattr(train, "_load", load)
    monkeypatch.setattr(train, "SOLVER_CHECK_EVERY", 1)
    monkeypatch.setattr(train, "SOLVER_ACCURACIES", (0.4, 0.3, 0.2))
    train_miniature(tmp_path, plan=SMOKE)
    actors = [name for name in started if name.startswith(("solver", "checkpoint"))]
    assert actors == ["solver", "checkpoint-2", "checkpoint-1"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "actor",
        "base",
        "copier",
        "corrector",
        "critic",
        "solver",
    ]
    assert not (tmp_path / "solver" / "checkpoints").exists()


def test_actor_that_was_chosen_before_a_kill_is_kept_and_the_rest_cleared(tmp_path):
    result = SFTResult(rows=8, steps=1, losses=[0.5], tokens=100, seconds=1.0, device="cpu")
    for folder in ("actor", "attempts/0", "solver/checkpoints"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "actor" / "training.json").write_text(json.dumps(asdict(result)))
    assert train_actor(tmp_path, SMOKE, build_tokenizer(), seed=0) == result
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "actor",
        "actor/training.json",
        "solver",
    ]


@pytest.mark.slow
def test_shipped_critic_finds_the_actors_errors_and_the_actor_uses_its_critiques():
    found = asyncio.run(
        evaluate_pair("miniature:actor", "miniature:critic", n=200, seed=77, split="validation", samples=1)
    )
    assert 0.5 < found.actor.greedy.value < 0.85
    assert found.critic.verdict_on_right.value > 0.8
    assert found.critic.verdict_on_wrong.value > 0.85
    assert found.critic.located.value > 0.8
    assert found.critic.parsed.value > 0.98
    assert found.critic.aligned.value > 0.98
    assert found.round.gain.low > 0.05
    assert found.arms["critique of another problem"].critique_gains.low > 0


def test_shipped_weights_are_small():
    files = [path for role in ("actor", "critic") for path in weights_path(role).iterdir()]
    assert sum(path.stat().st_size for path in files) < 6e6
