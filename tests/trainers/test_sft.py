from copy import deepcopy

import pytest

pytest.importorskip("trl")

import torch
from shipped import shipped_tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.encoded import encode_rows
from critique_graph.trainers.rows import row
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.trainer import SFTSettings

ROWS = [row(solve_messages(f"Tom has {n} apples."), f"The answer is \\boxed{{{n}}}.") for n in range(16)]


@pytest.fixture(scope="module")
def tokenizer():
    return shipped_tokenizer()


@pytest.fixture
def model(tokenizer):
    return tiny_model(tokenizer)


def tiny_model(tokenizer):
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=64,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def settings(**changes):
    return SFTSettings(**{"learning_rate": 1e-2, "batch_size": 8, "use_cpu": True, "log_every": 2, **changes})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_lowers_the_loss(model, tokenizer, optimizer):
    result = train_sft(ROWS, model=model, tokenizer=tokenizer, settings=settings(max_steps=20, optimizer=optimizer))
    assert len(result.losses) == 10
    assert result.losses[-1] < result.losses[0] - 0.5
    assert (result.rows, result.steps, result.device) == (16, 20, "cpu")


def test_epochs_decide_the_steps_when_no_number_is_given(model, tokenizer):
    assert train_sft(ROWS, model=model, tokenizer=tokenizer, settings=settings(epochs=2)).steps == 4


def test_same_seed_trains_the_same_model(tokenizer):
    weights = []
    for _ in range(2):
        model = tiny_model(tokenizer)
        train_sft(ROWS, model=model, tokenizer=tokenizer, settings=settings(max_steps=3, seed=5))
        weights.append(model.lm_head.weight.detach().clone())
    assert torch.equal(*weights)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_interrupted_training_goes_on_to_the_same_weights(tokenizer, tmp_path, optimizer):
    chosen = settings(max_steps=8, save_every=3, optimizer=optimizer)
    rows = ROWS * 4
    whole, interrupted, resumed = (tiny_model(tokenizer) for _ in range(3))
    expected = train_sft(rows, model=whole, tokenizer=tokenizer, settings=chosen)

    _crash_after(5, interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_sft(rows, model=interrupted, tokenizer=tokenizer, settings=chosen, checkpoints=tmp_path)
    (tmp_path / "checkpoint-4").mkdir()  # what a kill leaves of a checkpoint that was being written
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text('{"global')

    calls = _count_calls(resumed)
    result = train_sft(rows, model=resumed, tokenizer=tokenizer, settings=chosen, checkpoints=tmp_path)
    assert len(calls) == 5
    assert torch.equal(whole.lm_head.weight, resumed.lm_head.weight)
    assert torch.equal(whole.model.layers[0].mlp.up_proj.weight, resumed.model.layers[0].mlp.up_proj.weight)
    assert (result.losses, result.tokens) == (expected.losses, expected.tokens)


def _crash_after(calls, model):
    counted = _count_calls(model)

    def crash(*_):
        if len(counted) > calls:
            raise KeyboardInterrupt

    model.model.register_forward_pre_hook(crash)


def _count_calls(model):
    counted = []
    model.model.register_forward_pre_hook(lambda *_: counted.append(1))
    return counted


def test_saved_model_loads_with_the_trained_weights(model, tokenizer, tmp_path):
    train_sft(ROWS, model=model, tokenizer=tokenizer, settings=settings(max_steps=2), out=tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight)


def test_copy_of_a_trained_model_answers_with_its_own_weights(model, tokenizer):
    train_sft(ROWS, model=model, tokenizer=tokenizer, settings=settings(max_steps=2))
    copy = deepcopy(model)
    with torch.no_grad():
        copy.lm_head.weight.zero_()
        assert copy(input_ids=torch.tensor([[1, 2]])).logits.abs().max() == 0


def test_only_the_completion_is_learned(tokenizer):
    (encoded,) = encode_rows(ROWS[:1], tokenizer, max_length=64)
    learned = [token for token in encoded["labels"] if token != -100]
    assert tokenizer.decode(learned) == "The answer is \\boxed{0}.<|end|>"
    assert tokenizer.decode(encoded["input_ids"][: -len(learned)]).endswith("<|end|><|assistant|>")


def test_rows_that_are_too_long_are_counted_not_cut(model, tokenizer):
    long = row(solve_messages("Tom has 1 apples."), "Tom" * 100)
    with pytest.raises(ValueError, match="2 of 18 rows are longer than 64 tokens"):
        train_sft([*ROWS, long, long], model=model, tokenizer=tokenizer, settings=settings())


def test_no_rows_is_an_error(model, tokenizer):
    with pytest.raises(ValueError, match="no rows"):
        train_sft([], model=model, tokenizer=tokenizer, settings=settings())


def test_template_that_rewrites_the_prompt_is_an_error(tokenizer):
    with pytest.raises(ValueError, match=r"Row 0 .* prefix"):
        encode_rows(ROWS[:1], _with_template(tokenizer, "{{ messages | length }}"), max_length=64)


def _with_template(tokenizer, template):
    other = shipped_tokenizer()
    other.chat_template = template
    return other
