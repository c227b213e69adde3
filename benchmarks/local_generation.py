"""Measures tokens per CPU second of concurrent `ChatTransformers` calls and of `model.generate` on one batch.

    OMP_NUM_THREADS=1 python benchmarks/local_generation.py

The model is a random Llama with 1.6M parameters; there are 64 prompts of 60 to 140 tokens. Both sides alternate in one
process with the same number of threads. Only tokens that a caller gets are counted: `generate` computes all rows
until the longest is done.
"""

import argparse
import asyncio
import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from critique_graph.nodes.chat_transformers import ChatTransformers

CALLS = 64
ALPHABET = string.ascii_letters + string.digits + " "
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def save_model(folder: str) -> None:
    """Write a random Llama whose tokens are characters, without a token that ends a reply."""
    vocabulary = {character: index for index, character in enumerate(ALPHABET)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=" "))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE)  # type: ignore[no-untyped-call]
    fast.pad_token = " "  # noqa: S105
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(ALPHABET),
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=5,
        num_attention_heads=4,
        max_position_embeddings=2048,
        eos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


async def concurrent(chat: ChatTransformers, prompts: list[str], limits: list[int]) -> None:
    """Make all calls at once, and check that each gave as many tokens as it was allowed."""
    calls = (chat.ainvoke(text, max_tokens=limit) for text, limit in zip(prompts, limits, strict=True))
    usages = [reply.usage_metadata for reply in await asyncio.gather(*calls)]
    assert [usage and usage["output_tokens"] for usage in usages] == limits


def rate(run: Callable[[], object], tokens: int) -> float:
    """Give the tokens per CPU second (of all threads) of a `run` that gives its caller `tokens` tokens."""
    started = time.process_time()
    run()
    return tokens / (time.process_time() - started)


def main() -> None:
    """Print both rates and their ratio for replies of equal and of mixed length."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    draw = random.Random(0)
    prompts = ["".join(draw.choices(ALPHABET, k=draw.randint(60, 140))) for _ in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder)
        chat = ChatTransformers(model=folder, temperature=1.0)
        plain: Any = LlamaForCausalLM.from_pretrained(folder)  # its `generate` is typed wrongly
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)

        mixed = [min(220, max(8, int(draw.lognormvariate(4.1, 0.5)))) for _ in range(CALLS)]
        for name, limits in {"equal": [64] * CALLS, "mixed": mixed}.items():
            asyncio.run(concurrent(chat, prompts, limits))  # loads the engine's model
            ratios = []
            for _ in range(repeats):
                ours = rate(partial(asyncio.run, concurrent(chat, prompts, limits)), sum(limits))
                theirs = rate(
                    partial(plain.generate, **inputs, do_sample=True, max_new_tokens=max(limits)), sum(limits)
                )
                ratios.append(ours / theirs)
                print(f"{name}: ChatTransformers {ours:,.0f} tok/s, generate {theirs:,.0f} tok/s, {ours / theirs:.2f}x")
            print(f"{name}: median ratio {statistics.median(ratios):.2f} of {repeats}")


if __name__ == "__main__":
    main()
