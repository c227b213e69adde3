import math
import random
from types import SimpleNamespace

import pytest

pytest.importorskip("trl")

import torch
from shipped import shipped_tokenizer

from critique_graph.core.steps import split_steps
from critique_graph.miniature import weights_path
from critique_graph.miniature.solutions import check_response, first_error, flawed_response, gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.trainers.label_weights import step_weights
from critique_graph.trainers.rows import StepRow
from critique_graph.trainers.step_critic import (
    StepCritic,
    encode_steps,
    load_start,
    located,
    train_step_critic,
    weighted_loss,
)
from critique_graph.trainers.trainer import SFTSettings


def test_label_of_a_step_is_that_of_its_last_token() -> None:
    tokenizer = shipped_tokenizer()
    steps = ["Tom has 2 + 1 = 3 pens.", "Tom has 3 + 1 = 5 pens."]
    encoded = encode_steps("Tom has 2 pens.", steps, tokenizer, [True, False])
    places = [index for index, label in enumerate(encoded["labels"]) if label != -100]
    assert [encoded["labels"][place] for place in places] == [1, 0]
    texts = [tokenizer.decode(encoded["input_ids"][: place + 1]) for place in places]
    assert texts == ["Tom has 2 pens.\n" + steps[0], "Tom has 2 pens.\n" + "\n".join(steps)]


def rows(n: int) -> list[StepRow]:
    rng, made = random.Random(0), list[StepRow]()
    for exercise in generate_exercises(n, seed=1, split="train"):
        response = gold_response(exercise) if rng.random() < 0.5 else flawed_response(exercise, rng)
        steps, error = list(split_steps(response)), first_error(check_response(exercise, response))
        labels = [True] * len(steps) if error is None else [*[True] * error, False]
        made.append({"prompt": exercise.problem.question, "completions": steps[: len(labels)], "labels": labels})
    return made


@pytest.mark.slow
def test_training_finds_the_wrong_steps_of_its_rows(tmp_path) -> None:
    torch.manual_seed(0)
    tokenizer, made = shipped_tokenizer(), rows(8)
    model = load_start(str(weights_path("critic")), torch.float32)
    settings = SFTSettings(learning_rate=2e-3, batch_size=8, max_steps=60, use_cpu=True, log_every=10)
    result = train_step_critic(made, model=model, tokenizer=tokenizer, settings=settings, out=tmp_path)
    assert result.losses[-1] < 0.1 < result.losses[0]
    critic = StepCritic.load(tmp_path)
    assert located(critic, made).value == 1.0
    wrong = next(row for row in made if not all(row["labels"]))
    assert critic.first_wrong_step(wrong["prompt"], wrong["completions"]) == wrong["labels"].index(False)


def test_balanced_labels_weigh_alike_in_all_and_leave_the_mean_weight_at_one() -> None:
    steps: StepRow = {"prompt": "?", "completions": ["a", "b", "c", "d"], "labels": [True, True, True, False]}
    weights = step_weights([steps])
    assert weights == {"wrong": 2.0, "right": pytest.approx(2 / 3)}
    labels = torch.tensor([[1, -100, 1, 1, 0]])
    logits = torch.tensor([[[0.0, 0.0], [9.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    loss = weighted_loss(weights)(SimpleNamespace(logits=logits), labels, num_items_in_batch=4)
    assert loss.item() == pytest.approx(math.log(2))
    sure_of_correct = logits + torch.tensor([0.0, 5.0])
    uneven = weighted_loss(weights)(SimpleNamespace(logits=sure_of_correct), labels, num_items_in_batch=4)
    assert uneven.item() == pytest.approx(5 / 2, abs=0.01), "the one wrong step has half of the weight"


def test_labels_of_one_kind_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="all 1 labels are of one kind"):
        step_weights([{"prompt": "?", "completions": ["a"], "labels": [True]}])


def test_rows_that_are_too_long_and_adapters_are_refused() -> None:
    tokenizer, model = shipped_tokenizer(), load_start(str(weights_path("critic")), torch.float32)
    with pytest.raises(ValueError, match="2 of 2 rows are longer than 20 tokens"):
        train_step_critic(rows(2), model=model, tokenizer=tokenizer, settings=SFTSettings(max_length=20))
    with pytest.raises(ValueError, match="all weights of a step critic are trained"):
        train_step_critic(rows(2), model=model, tokenizer=tokenizer, settings=SFTSettings(lora_rank=4))
