import random

import pytest

pytest.importorskip("trl")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from critique_graph.miniature import weights_path
from critique_graph.miniature.solutions import gold_response, shortened_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.encoded import encode_rows
from critique_graph.trainers.preference import train_preference
from critique_graph.trainers.rows import PreferenceRow, preference_row
from critique_graph.trainers.trainer import SFTSettings


@pytest.fixture(scope="module")
def rows() -> list[PreferenceRow]:
    rng = random.Random(0)
    return [
        preference_row(solve_messages(e.problem.question), gold_response(e), shortened_response(e, rng))
        for e in generate_exercises(8, seed=1, split="train")
    ]


def start() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    weights = weights_path("actor")
    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(weights)


def margin(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[PreferenceRow]) -> float:
    """How much more likely the chosen answers are than the rejected ones, in nats a row."""
    total = 0.0
    for made in rows:
        for sign, name in ((1, "chosen"), (-1, "rejected")):
            row = {"prompt": made["prompt"], "completion": made[name]}
            (encoded,) = encode_rows([row], tokenizer, max_length=10_000)
            ids, labels = (torch.tensor([encoded[key]]) for key in ("input_ids", "labels"))
            with torch.no_grad():
                loss = model(input_ids=ids, labels=labels).loss.item()
            total -= sign * loss * (labels != -100).sum().item()
    return total / len(rows)


def test_chosen_answers_become_likelier_than_rejected_ones(rows: list[PreferenceRow]) -> None:
    model, tokenizer = start()
    before = margin(model, tokenizer, rows)
    settings = SFTSettings(learning_rate=1e-4, batch_size=8, max_steps=6, use_cpu=True, log_every=1, warmup=0.0)
    result = train_preference(rows, model=model, tokenizer=tokenizer, settings=settings)
    assert result.losses[0] == pytest.approx(0.6931, abs=1e-3), "the start is the reference"
    assert result.losses[-1] < result.losses[0]
    assert margin(model, tokenizer, rows) > before + 1


def test_row_that_is_too_long_is_an_error_and_not_cut(rows: list[PreferenceRow]) -> None:
    model, tokenizer = start()
    with pytest.raises(ValueError, match="longer than 20 tokens"):
        train_preference(rows, model=model, tokenizer=tokenizer, settings=SFTSettings(max_length=20, use_cpu=True))
