"""The miniature's tokenizer: each number below 200, each word of the task and each constant text is one token.

Prompts are the project's ordinary ones. Instructions, fences and critique labels are single tokens, which keeps
sequences short enough for a tiny model; a number is one token, so that comparing two numbers is comparing two tokens.
Any other text falls back to bytes: nothing is unknown, and decoding is exact.
"""

import random
import re

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from critique_graph.core.prompts import CRITIQUE_INSTRUCTION, REFINE_INSTRUCTION, SOLVE_INSTRUCTION
from critique_graph.miniature.critiques import THINK_CLOSE, THINK_OPEN, critique_completion, note_label
from critique_graph.miniature.solutions import (
    flawed_response,
    gold_response,
    lengthened_response,
    shortened_response,
    step_label,
)
from critique_graph.miniature.task import LEVELS, generate_exercises

NUMBERS = 200
"""Numbers below this are tokens. Correct values are below 100; wrong values can be larger."""
MAX_TOKENS = 2048
"""Context length of the miniature: the task needs a quarter of it, but questions in other words need more."""

PAD, END, SYSTEM, USER, ASSISTANT = SPECIAL_TOKENS = (
    "<|pad|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
)

CONSTANT_TEXTS = (
    SOLVE_INSTRUCTION,
    CRITIQUE_INSTRUCTION,
    REFINE_INSTRUCTION,
    "<problem>\n",
    "\n</problem>",
    "<response>\n",
    "\n</response>",
    "<critique>\n",
    "\n</critique>",
    THINK_OPEN,
    THINK_CLOSE,
    "\nThe answer is \\boxed{",
    "}.",
    "Step sentence: ",
    "\n\nStep sentence: ",
    "\nCorrectness of the step: ",
    "\n\nCorrectness of the final answer: ",
    "\nExplanation: ",
    "Correct",
    "Wrong",
    "\n",
    "\n\n",
    *(step_label(index) for index in range(max(LEVELS) + 4)),
    *(note_label(index) for index in range(max(LEVELS) + 1)),
)
"""Texts that are always one token each."""

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if not (loop.last and continue_final_message) -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer; it is always the same one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL_TOKENS])
    texts = (*CONSTANT_TEXTS, *task_words(), *map(str, range(NUMBERS)))
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in texts])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def task_words() -> list[str]:
    """Give every word and sign of the task's texts, each with the space before it."""
    words: set[str] = set()
    constants = re.compile("|".join(map(re.escape, sorted(CONSTANT_TEXTS, key=len, reverse=True))))
    for exercise in generate_exercises(3000, seed=0, split="train"):
        texts = [exercise.problem.question]
        rng = random.Random(exercise.problem.id)
        for write in (flawed_response, shortened_response, lengthened_response):
            texts.append(critique_completion(exercise, write(exercise, rng)))
        texts.append(critique_completion(exercise, gold_response(exercise)))
        for text in texts:
            words.update(re.findall(r" [-+*=] | ?[A-Za-z]+|[^\w\s]", constants.sub("\n", text)))
    return sorted(words)
