from collections import Counter
from random import Random
from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from critique_graph.engines.transformers_batch import Batch, sample

VOCABULARY = 50


class Row:
    """Takes a fixed number of tokens."""

    def __init__(self, prompt: list[int], tokens: int, *, temperature: float = 0.0, top_p: float = 1.0, seed: int = 0):
        self.prompt = tuple(prompt)
        self.sampling = SimpleNamespace(temperature=temperature, top_p=top_p, top_logprobs=None)
        self.random = Random(seed)
        self.cached_tokens = 0
        self.tokens: list[int] = []
        self.wanted = tokens
        self.allowed: list[int] = []

    @property
    def is_done(self) -> bool:
        return len(self.tokens) >= self.wanted

    def take(self, token: int, logprobs: object) -> None:
        self.tokens.append(token)


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, initializer_range=0.3, **sizes)).eval()


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.3)
    return GPT2LMHeadModel(config).eval()


def run(model, arrivals: dict[int, list[Row]]) -> None:
    """Step a batch until it is empty; the rows of `arrivals[i]` come before step i."""
    batch = Batch(model)
    with torch.inference_mode():
        for step in range(max(arrivals) + 1):
            batch.admit(arrivals.get(step, []))
            batch.step()
        while batch.rows:
            batch.step()


def random_rows(count: int, seed: int) -> list[Row]:
    draw = Random(seed)
    return [
        Row([draw.randrange(VOCABULARY) for _ in range(draw.randint(1, 40))], draw.randint(1, 90), seed=index)
        for index in range(count)
    ]


@pytest.mark.parametrize("make_model", [llama, gpt2], ids=["rotary positions", "learned positions"])
def test_rows_that_come_and_go_get_the_tokens_they_get_alone(make_model):
    model, draw = make_model(), Random(1)
    alone, together = random_rows(24, seed=2), random_rows(24, seed=2)

    for row in alone:
        run(model, {0: [row]})
    arrivals: dict[int, list[Row]] = {}
    for row in together:
        arrivals.setdefault(draw.randrange(60), []).append(row)
    run(model, arrivals)

    assert [row.tokens for row in together] == [row.tokens for row in alone]


def test_equal_prompts_are_computed_once_and_sampled_apart():
    model = llama()
    rows = [Row([1, 2, 3], 10, temperature=1.0, seed=seed) for seed in range(4)]

    run(model, {0: [*rows, Row([4], 10)]})

    assert [row.cached_tokens for row in rows] == [0, 3, 3, 3]
    assert len({tuple(row.tokens) for row in rows}) == 4


def test_prompts_beyond_one_pass_are_computed_in_several(monkeypatch):
    monkeypatch.setattr("critique_graph.engines.transformers_batch.PREFILL_TOKENS", 50)
    model = llama()
    alone, together = random_rows(8, seed=3), random_rows(8, seed=3)

    for row in alone:
        run(model, {0: [row]})
    run(model, {0: together})

    assert [row.tokens for row in together] == [row.tokens for row in alone]


def test_sampling_follows_the_distribution():
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    row = Row([0], 1, temperature=1.0)
    draws = 20_000

    counts = Counter(sample(probabilities.log()[None], [row])[0] for _ in range(draws))

    assert [counts[token] / draws for token in range(5)] == pytest.approx(probabilities.tolist(), abs=0.015)
    assert counts[1] == 0


def test_temperature_sharpens_or_flattens_the_distribution():
    logits = torch.tensor([[2.0, 0.0]])
    sharp, flat = (Row([0], 1, temperature=temperature) for temperature in (0.5, 4.0))

    drawn = [sample(logits.repeat(2, 1), [sharp, flat]) for _ in range(5_000)]

    share = [sum(pair[index] == 0 for pair in drawn) / 5_000 for index in range(2)]
    assert share == pytest.approx([torch.sigmoid(torch.tensor(x)).item() for x in (4.0, 0.5)], abs=0.03)


def test_top_p_keeps_the_likeliest_tokens_that_reach_it():
    logits = torch.tensor([[0.05, 0.5, 0.15, 0.3]]).log()
    row = Row([0], 1, temperature=1.0, top_p=0.75)

    assert {sample(logits, [row])[0] for _ in range(500)} == {1, 3}


def test_a_row_at_temperature_zero_draws_no_numbers():
    greedy, drawing = Row([0], 1), Row([0], 1, temperature=1.0)
    before = greedy.random.getstate()

    tokens = sample(torch.tensor([[0.0, 1.0, 0.5]] * 2), [greedy, drawing])

    assert tokens[0] == 1
    assert greedy.random.getstate() == before
    assert drawing.random.getstate() != before
