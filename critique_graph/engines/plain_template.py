"""The plain chat template, for the tokenizers of base models, which have none: `Human:` and `Assistant:` in turn.

It is the format of the paper's scripts (the template `default` of LLaMA-Factory), with two departures: a line begins
after `Assistant:`, so that no token holds the end of the prompt and the beginning of the answer, and the token that
ends a text follows the assistant's turns. Trained models are saved with it, and so served as they were trained.
"""

import logging
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError
from critique_graph.engines.request import Request

logger = logging.getLogger(__name__)

PLAIN = files("critique_graph.engines").joinpath("plain_template.jinja").read_text(encoding="utf-8")
BOS = "{{- bos_token -}}\n"
"""What precedes the template where the tokenizer begins every text with a token of its own."""
STOP = "\nHuman:"
"""Text with which a base model, which was never taught to end its turn, goes on to the next one."""


def give_template(tokenizer: Any, name: str | Path) -> bool:
    """Give a tokenizer that has no chat template the plain one; says whether that was needed.

    Args:
        tokenizer: A tokenizer of transformers.
        name: Its name in messages.

    Raises:
        InputError: The tokenizer has neither a chat template nor a token that ends a text.
    """
    if tokenizer.chat_template is not None:
        return False
    if tokenizer.eos_token is None:
        raise InputError(
            f"{name}: the tokenizer has no chat template, and no token that ends a text, which the plain template "
            "needs: use a chat model, or add chat_template.jinja to it."
        )
    starts = tokenizer.bos_token is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    tokenizer.chat_template = BOS + PLAIN if starts else PLAIN
    logger.warning("%s has no chat template: the plain one is used (Human: ..., Assistant: ...)", name)
    return True


def is_plain(tokenizer: Any) -> bool:
    """Say whether a tokenizer has the plain template, be it given here or saved with a trained model."""
    return tokenizer.chat_template in (PLAIN, BOS + PLAIN)


def ends_at_next_turn(request: Request) -> Request:
    """Give the request with a reply that ends where the model begins the next turn of the plain template."""
    sampling = request.sampling.model_copy(update={"stop": (*request.sampling.stop, STOP)})
    return replace(request, sampling=sampling)
