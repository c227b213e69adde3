"""Plans of trainings: what is chosen for a device by its free memory, and what is expected of it."""

from dataclasses import replace

import pytest

pytest.importorskip("trl")

import torch
from shipped import shipped_tokenizer
from transformers import AutoModelForTokenClassification, BertConfig, DebertaV2Config, LlamaConfig

from critique_graph.engines.accelerators import Accelerator, find_accelerator
from critique_graph.engines.processes import Processes
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.footprint import footprint
from critique_graph.trainers.plan import GIB
from critique_graph.trainers.planner import fewer_rows, plan_training
from critique_graph.trainers.rows import row
from critique_graph.trainers.trainer import SFTSettings, adapters

LLAMA_8B = LlamaConfig(
    vocab_size=128_256,
    hidden_size=4096,
    intermediate_size=14_336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    dtype="bfloat16",
)
TINY = LlamaConfig(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4)
CARD = Accelerator(torch.device("cuda"), has_bf16=True, backend="nccl", optimizer="adamw_torch_fused")
CPU = find_accelerator("cpu")
TEXT = " ".join(["Tom has 3 apples."] * 200)
ROWS = [row(solve_messages(TEXT), TEXT)] * 64


def plan(free, *, config=LLAMA_8B, settings=None, device=CARD, processes=1, is_sharded=False, rows=ROWS, **told):
    return plan_training(
        rows,
        config,
        shipped_tokenizer(),
        settings or SFTSettings(),
        device,
        processes=Processes(0, processes, is_sharded),
        free=int(free * GIB),
        rate=7e14,
        **told,
    )


def test_weights_are_trained_in_single_precision_where_that_fits():
    made = plan(200)
    assert (made.dtype, made.optimizer, made.is_too_large) == ("float32", "adamw_torch_fused", False)


def test_a_card_of_80_gb_trains_8_billion_weights_in_half_precision():
    made = plan(79)
    assert (made.dtype, made.optimizer) == ("bfloat16", "adamw_torch_8bit")
    assert (made.rows_at_once, made.checkpointing) == (1, False), "one row has enough tokens to keep the card busy"
    assert not made.is_too_large
    tighter = plan(64)
    assert tighter.checkpointing
    assert tighter.rows_at_once > 1


def test_adapters_leave_the_weights_as_they_are_stored():
    made = plan(79, settings=SFTSettings(lora_rank=16))
    assert (made.dtype, made.optimizer) == ("bfloat16", "adamw_torch_fused")
    assert made.trained < made.parameters / 100
    assert not made.checkpointing
    assert plan(24, settings=SFTSettings(lora_rank=16)).checkpointing


def test_what_cannot_fit_is_said_with_what_lowers_it():
    made = plan(24)
    assert (made.rows_at_once, made.is_too_large) == (1, True)
    said = made.describe()
    assert "This may run out of memory. What lowers the memory: --lora-rank 16" in said
    assert "--rows-at-once" not in said, "it is one already"


def test_what_is_given_is_kept():
    made = plan(79, settings=SFTSettings(optimizer="adafactor", rows_at_once=2), dtype="float32", checkpointing=False)
    assert (made.optimizer, made.rows_at_once) == ("adafactor", 2)
    assert (made.dtype, made.checkpointing) == ("float32", False)
    assert made.memory["optimizer"] == 0


def test_a_cpu_holds_the_whole_batch_where_it_fits():
    made = plan(8, config=TINY, device=CPU)
    assert (made.dtype, made.optimizer) == ("float32", "adamw_torch_fused")
    assert (made.rows_at_once, made.checkpointing) == (32, False)


def test_rows_at_once_divide_the_share_of_a_process():
    rows = {plan(free, config=TINY, device=CPU, settings=SFTSettings(batch_size=24)).rows_at_once for free in (0.3, 8)}
    assert all(24 % each == 0 for each in rows)
    assert plan(8, config=TINY, device=CPU, processes=4).rows_at_once == 8


def test_sharded_weights_take_a_share_of_each_device():
    alone, shared = plan(79), plan(79, processes=8, is_sharded=True)
    assert (shared.dtype, shared.optimizer) == ("float32", "adamw_torch_fused"), "an eighth of 128 GB fits"
    assert shared.memory["weights"] < alone.memory["weights"]


def test_time_grows_with_epochs_and_falls_with_processes():
    once, twice = (plan(79, settings=SFTSettings(epochs=epochs)).seconds for epochs in (1, 2))
    assert twice == pytest.approx(2 * once, rel=0.01)
    assert plan(79, settings=SFTSettings(max_steps=2)).seconds == pytest.approx(once, rel=0.01), "64 rows are 2 steps"


def test_longest_row_decides():
    short = [row(solve_messages("Tom has 3 apples."), "3.")] * 63
    assert plan(79, rows=[*short, ROWS[0]]).longest == plan(79).longest > plan(79, rows=short).longest


def test_footprint_of_plain_training_is_sixteen_bytes_a_weight():
    found = footprint(TINY, length=64, dtype=torch.float32, compute=torch.float32, optimizer="adamw_torch_fused")
    assert found.trained == found.parameters
    sizes = (found.weights, found.gradients, found.optimizer)
    assert sizes == (4 * found.parameters, 4 * found.parameters, 8 * found.parameters)


def test_footprint_counts_copies_in_half_precision():
    found = footprint(TINY, length=64, dtype=torch.float32, compute=torch.bfloat16, optimizer="adamw_torch_fused")
    assert found.weights == 6 * found.parameters


def test_footprint_of_adapters_counts_their_weights_alone():
    peft = adapters(SFTSettings(lora_rank=4))
    found = footprint(
        TINY, length=64, dtype=torch.float32, compute=torch.float32, optimizer="adamw_torch_fused", adapters=peft
    )
    assert found.gradients == 4 * found.trained < found.weights / 10


def test_footprint_counts_four_bits_of_linear_layers_beneath_adapters():
    told = {"length": 64, "optimizer": "adamw_torch_fused", "adapters": adapters(SFTSettings(lora_rank=4))}
    held = footprint(TINY, dtype=torch.bfloat16, compute=torch.bfloat16, **told)
    quantized = footprint(TINY, dtype=torch.bfloat16, compute=torch.bfloat16, is_quantized=True, **told)
    linear = 4 * (4 * 64 * 64 + 3 * 64 * 128)  # attention and the rest of 4 layers
    assert held.weights - quantized.weights == pytest.approx(linear * (2 - 0.516), rel=0.01)
    assert (quantized.row, quantized.trained) == (held.row, held.trained)


def test_four_bits_are_advised_where_adapters_do_not_fit():
    settings = SFTSettings(lora_rank=16, rows_at_once=1)
    assert "--dtype nf4" in plan(10, settings=settings).describe()
    made = plan(10, settings=settings, dtype="nf4")
    assert (made.dtype, made.is_too_large) == ("nf4", False)


def test_activations_grow_with_the_length_and_shrink_with_checkpointing():
    short, long = (
        footprint(TINY, length=length, dtype=torch.float32, compute=torch.float32, optimizer="adafactor")
        for length in (128, 256)
    )
    assert long.row == pytest.approx(2 * short.row, rel=0.01)
    assert short.row_checkpointed < short.row / 2
    assert short.activations(3, checkpointing=True) < short.activations(3, checkpointing=False) / 1.3


def test_log_probabilities_take_memory_until_they_are_computed_in_pieces():
    def scores(rows: int, **told) -> int:
        found = footprint(TINY, length=2048, dtype=torch.float32, optimizer="adafactor", **told)
        return found.activations(rows, checkpointing=False) - rows * found.row

    plain, kernels = {"compute": torch.float32}, {"compute": torch.bfloat16, "has_kernels": True}
    entries = TINY.vocab_size
    assert scores(1, **plain) == 2048 * entries * 4 * 9
    assert scores(8, **plain) == 2 * scores(1, **plain), "4,096 tokens at once"
    assert scores(1, **kernels) == 2048 * entries * 2


def test_gradients_of_the_head_count_only_where_it_is_trained():
    told = {"length": 64, "dtype": torch.float32, "compute": torch.float32, "optimizer": "adafactor"}
    assert footprint(TINY, **told).head == 4 * TINY.vocab_size * TINY.hidden_size
    assert footprint(TINY, **told, adapters=adapters(SFTSettings(lora_rank=4))).head == 0


def test_activations_are_those_that_a_real_model_keeps():
    """The layers of a real model keep what the model without data said; attention is counted as devices compute it."""
    from transformers import LlamaForCausalLM

    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    model = LlamaForCausalLM(TINY).train()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.model(input_ids=torch.zeros(1, 192, dtype=torch.long), use_cache=False)
    measured = sum(size for address, (_, size) in kept.items() if address not in weights)
    expected = footprint(TINY, length=192, dtype=torch.float32, compute=torch.float32, optimizer="adafactor").row
    assert expected == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("kind", [BertConfig, DebertaV2Config])
def test_encoders_can_be_step_critics(kind):
    config = kind(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
    steps = [{"prompt": TEXT, "completions": [TEXT], "labels": [True]}] * 32
    made = plan(20, config=config, device=CPU, rows=steps, head=AutoModelForTokenClassification)
    assert (made.dtype, made.rows_at_once) == ("float32", 32)
    assert made.memory["weights"] == 4 * made.parameters


def test_two_answers_are_two_sequences():
    (messages, answer) = (ROWS[0]["prompt"], ROWS[0]["completion"])
    pair = {"prompt": messages, "chosen": answer, "rejected": answer}
    assert plan(79, rows=[pair] * 8).longest == pytest.approx(2 * plan(79).longest, rel=0.01)


def test_next_fewer_rows_divide_the_batch():
    assert [fewer_rows(24, rows) for rows in (24, 12, 2, 1)] == [12, 8, 1, 0]


def test_half_precision_needs_an_accelerator_that_has_it():
    old = replace(CARD, has_bf16=False)
    assert plan(79, device=old).dtype == "float32"


def test_no_rows_are_no_plan():
    with pytest.raises(ValueError, match="There are no rows to train on"):
        plan(79, rows=[])
