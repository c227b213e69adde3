"""Put untrusted text (problems, responses, critiques) into prompts safely.

Text is fenced by delimiters it cannot contain, and stripped of role tokens, so that a response can neither end its own
fence nor open a turn of another role. The result is byte-stable: the same text always gives the same prompt.
"""

import re
from typing import Literal

Fence = Literal["problem", "response", "critique"]

_FENCE_TAG = re.compile(r"<(?=\s*/?\s*(?:problem|response|critique)\b)", re.IGNORECASE)
_ROLE_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>"  # <|im_start|>, <|eot_id|>, <|end_of_text|> and their kin
    r"|<｜[^｜<>\n]{1,40}｜>"  # DeepSeek's full-width form
    r"|\[/?INST\]|<</?SYS>>|</?s>|<bos>|<eos>|<(?:start|end)_of_turn>"
)


def strip_role_tokens(text: str) -> str:
    """Give `text` without chat-template control tokens, also those that only appear once others are gone."""
    while (stripped := _ROLE_TOKEN.sub("", text)) != text:
        text = stripped
    return text


def fence(tag: Fence, text: str) -> str:
    """Give `text` between `<tag>` lines; fence tags inside it are escaped (`<` becomes `&lt;`)."""
    return f"<{tag}>\n{_FENCE_TAG.sub('&lt;', strip_role_tokens(text)).strip()}\n</{tag}>"
