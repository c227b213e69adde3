import pytest

pytest.importorskip("trl")

from critique_graph.errors import InputError
from critique_graph.miniature.evaluate import evaluate_miniature
from critique_graph.miniature.shipped import weights_path
from critique_graph.miniature.train import SMOKE, train_miniature


@pytest.mark.slow
def test_smoke_plan_trains_a_pair_that_answers_and_resumes_without_training_again(tmp_path):
    results = train_miniature(tmp_path, plan=SMOKE)
    assert {name: result.steps for name, result in results.items()} == {"base": 2, "actor": 2, "critic": 2}
    assert evaluate_miniature(tmp_path / "actor", tmp_path / "critic", n=2).accuracy_first.n == 2

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
def test_shipped_pair_solves_and_its_critic_judges_better_than_chance():
    evaluation = evaluate_miniature(weights_path("actor"), weights_path("critic"), n=200, seed=77, split="validation")
    assert 0.3 < evaluation.accuracy_first.value < 0.75
    assert evaluation.verdict_on_right.value + evaluation.verdict_on_wrong.value > 1.05


def test_shipped_weights_are_small():
    files = [path for role in ("actor", "critic") for path in weights_path(role).iterdir()]
    assert sum(path.stat().st_size for path in files) < 6e6
