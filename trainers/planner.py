"""How a training fits its device: type of the weights, optimizer, rows at once, checkpointing; with memory and time."""

import time
from collections.abc import Mapping
from heapq import heappush, heappushpop
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerBase
from transformers.utils.import_utils import is_triton_available

from critique_graph.engines.accelerators import Accelerator, available_memory
from critique_graph.engines.processes import Processes
from critique_graph.trainers.footprint import Footprint, footprint
from critique_graph.trainers.plan import TrainingPlan
from critique_graph.trainers.quantized import compute_type
from critique_graph.trainers.rows import AnyRow, Rows
from critique_graph.trainers.settings import Weights
from critique_graph.trainers.trainer import SFTSettings, adapters

LOW_MEMORY_OPTIMIZER = "adamw_torch_8bit"
"""AdamW of torchao with states of 8 bits; it rounds bfloat16 weights at random, so that small updates are not lost."""
USABLE = 0.9
"""Share of the free memory that a plan takes; the rest is for what cannot be foreseen."""
ENOUGH_TOKENS = 2048
"""Number of tokens at once that keep a device busy: fewer rows with all activations are then faster than more rows
with activations computed twice."""
_EFFICIENCY = 0.5
"""Share of the device's rate of matrix products that a training reaches, for the estimate of its time."""
_MOST_ROWS = 64
"""Number of longest rows, and of rows for the mean length, that are tokenised."""


def plan_training(
    rows: Rows[AnyRow],
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings,
    accelerator: Accelerator,
    *,
    head: Any = AutoModelForCausalLM,
    dtype: Weights | None = None,
    checkpointing: bool | None = None,
    processes: Processes,
    free: int | None = None,
    rate: float | None = None,
) -> TrainingPlan:
    """Decide how a training fits its device; what is given is kept, the rest is chosen.

    Weights are trained in float32 where that fits, as half precision loses updates below its last digit; on CUDA, where
    it does not, in bfloat16 with an optimizer that rounds at random. Activations are computed twice only where too few
    rows would fit otherwise.

    Args:
        rows: Rows to learn.
        config: Configuration of the model.
        tokenizer: Its tokenizer.
        settings: Settings of the training; `optimizer` and `rows_at_once` are kept where they are given.
        accelerator: The device.
        head: The auto class of transformers that the model is loaded with.
        dtype: Type of the weights; None chooses.
        checkpointing: Whether activations are computed twice; None chooses.
        processes: The processes that share a batch, and perhaps the weights.
        free: Bytes of free memory; None asks the device.
        rate: Operations per second of matrix products; None measures the device.

    Raises:
        ValueError: There are no rows.
    """
    if not len(rows):
        raise ValueError("There are no rows to train on.")
    free = available_memory(accelerator.device, processes.count) if free is None else free
    longest, tokens = _lengths(rows, tokenizer)
    share = max(1, settings.batch_size // processes.count)
    options = [] if settings.optimizer == "muon" else _options(config, settings, accelerator, dtype)
    chosen: tuple[Weights, str] = options[0] if options else ("float32", settings.optimizer)
    peft = adapters(settings)

    def measured(weights: Weights, optimizer: str) -> Footprint:
        is_quantized = weights == "nf4"
        held: torch.dtype = compute_type(accelerator) if is_quantized else getattr(torch, weights)
        return footprint(
            config,
            length=longest,
            dtype=held,
            compute=torch.bfloat16 if accelerator.has_bf16 else held,
            is_quantized=is_quantized,
            optimizer=optimizer,
            head=head,
            adapters=peft,
            has_kernels=accelerator.device.type == "cuda" and is_triton_available(),
            shards=processes.count if processes.is_sharded else 1,
        )

    needs = measured(*chosen)
    for chosen in options:
        needs = measured(*chosen)
        if needs.fixed + needs.activations(1, checkpointing=checkpointing is not False) <= USABLE * free:
            break
    room = USABLE * free - needs.fixed
    fitting = _fitting(needs, share, room, checkpointing=False)
    if checkpointing is None:
        wanted = settings.rows_at_once or min(share, -(-ENOUGH_TOKENS // longest))
        checkpointing = fitting < wanted
    at_once = settings.rows_at_once or (_fitting(needs, share, room, checkpointing=True) if checkpointing else fitting)
    steps = settings.max_steps
    learned = tokens * settings.epochs if steps is None else tokens / len(rows) * steps * settings.batch_size
    return TrainingPlan(
        parameters=needs.parameters,
        trained=needs.trained,
        dtype=chosen[0],
        optimizer=chosen[1],
        checkpointing=checkpointing,
        rows_at_once=max(1, at_once),
        longest=longest,
        memory={
            "weights": needs.weights,
            "gradients": needs.gradients,
            "optimizer": needs.optimizer,
            "activations": needs.fixed
            - needs.weights
            - needs.gradients
            - needs.optimizer
            + needs.activations(max(1, at_once), checkpointing=checkpointing),
        },
        free=free,
        seconds=_seconds(
            needs, learned / processes.count, rate or _matrix_rate(accelerator), checkpointing=checkpointing
        ),
    )


def _options(
    config: PretrainedConfig, settings: SFTSettings, accelerator: Accelerator, dtype: Weights | None
) -> list[tuple[Weights, str]]:
    """Give the types of weights, each with an optimizer, from the most accurate to the smallest."""
    told = None if settings.optimizer == "adamw" else settings.optimizer
    plain = told or accelerator.optimizer
    if settings.lora_rank is not None:
        is_half = str(config.dtype).removeprefix("torch.") in ("bfloat16", "float16")
        kept: Weights = "bfloat16" if is_half and accelerator.has_bf16 else "float32"
        return [(dtype or kept, plain)]
    exact: tuple[Weights, str] = ("float32", plain)
    small: tuple[Weights, str] = ("bfloat16", told or LOW_MEMORY_OPTIMIZER)
    if dtype is not None:
        return [exact if dtype == "float32" else small]
    return [exact, small] if accelerator.device.type == "cuda" and accelerator.has_bf16 else [exact]


def fewer_rows(batch: int, rows: int) -> int:
    """Give the next lower number of rows at once that divides a batch; 0 if there is none."""
    return next((fewer for fewer in _divisors(batch) if fewer < rows), 0)


def _fitting(needs: Footprint, batch: int, room: float, *, checkpointing: bool) -> int:
    """Give the largest number of rows at once that divides a batch and fits; 0 if not even one does."""
    fits = (rows for rows in _divisors(batch) if needs.activations(rows, checkpointing=checkpointing) <= room)
    return next(fits, 0)


def _divisors(number: int) -> list[int]:
    """Give the divisors of a number, the largest first."""
    return [each for each in range(number, 0, -1) if number % each == 0]


def _lengths(rows: Rows[AnyRow], tokenizer: PreTrainedTokenizerBase) -> tuple[int, float]:
    """Estimate the number of tokens of the longest row, and of all rows, from some of them."""
    every, characters = -(-len(rows) // _MOST_ROWS), 0
    longest, some = list[tuple[int, int, str]](), list[str]()
    for number, row in enumerate(rows):
        text = _text(row)
        characters += len(text)
        if number % every == 0:
            some.append(text)
        if len(longest) < _MOST_ROWS:
            heappush(longest, (len(text), number, text))
        else:
            heappushpop(longest, (len(text), number, text))
    texts = [*(text for _, _, text in longest), *some]
    counts = [len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]
    per_character = sum(counts[len(longest) :]) / max(1, sum(map(len, some)))
    return max(counts), per_character * characters


def _text(row: Mapping[str, Any]) -> str:
    """Give what is read of a row; of two answers of which one is preferred, both, each after the prompt."""
    answers = [row[name] for name in ("completion", "completions", "chosen", "rejected") if name in row]
    prompts = [row["prompt"]] * (2 if "rejected" in row else 1)
    parts = [*prompts, *answers]
    return "\n".join(
        turn["content"] if isinstance(turn, Mapping) else turn
        for part in parts
        for turn in ([part] if isinstance(part, str) else part)
    )


def _seconds(needs: Footprint, tokens: float, rate: float, *, checkpointing: bool) -> float:
    """Estimate the time: 2 operations per weight and token, each for forward, backward and the weights' gradients."""
    passes = 2 + checkpointing + (needs.trained > needs.parameters / 2)
    return tokens * needs.parameters * 2 * passes / (_EFFICIENCY * rate)


def _matrix_rate(accelerator: Accelerator) -> float:
    """Measure the operations per second of a large matrix product on the device."""
    side, dtype = (4096, torch.bfloat16) if accelerator.has_bf16 else (1024, torch.float32)
    left = torch.ones(side, side, dtype=dtype, device=accelerator.device)
    for repeats in (1, 4):  # the first product warms up
        begun = time.perf_counter()
        for _ in range(repeats):
            product = left @ left
        product[0, 0].item()  # waits for the device
    return 4 * 2 * side**3 / (time.perf_counter() - begun)
