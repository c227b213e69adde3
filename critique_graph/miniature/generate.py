"""Answer many prompts at once with one of the miniature's models."""

from collections.abc import Sequence

import torch
from langchain_core.messages import BaseMessage
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerBase, set_seed

from critique_graph.trainers.sft import as_messages


@torch.inference_mode()
def generate_texts(
    prompts: Sequence[Sequence[BaseMessage]],
    *,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    temperature: float = 0.0,
    seed: int = 0,
    max_tokens: int = 400,
    batch_size: int = 128,
) -> list[str]:
    """Answer every prompt; temperature 0 takes the likeliest token."""
    set_seed(seed)
    model.eval()  # type: ignore[no-untyped-call]
    asked = [
        str(tokenizer.apply_chat_template(as_messages(prompt), add_generation_prompt=True, tokenize=False))
        for prompt in prompts
    ]
    order = sorted(range(len(asked)), key=lambda index: len(asked[index]))  # like lengths share a batch
    texts = [""] * len(asked)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_tokens,
        do_sample=temperature > 0,
        temperature=temperature if temperature > 0 else None,
        top_k=0 if temperature > 0 else None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = tokenizer(
            [asked[index] for index in chosen],
            add_special_tokens=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )
        output = model.generate(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], generation_config=config
        )
        answers = output[:, batch["input_ids"].shape[1] :]
        for index, text in zip(chosen, tokenizer.batch_decode(answers, skip_special_tokens=True), strict=True):
            texts[index] = text
    return texts
