"""Put untrusted text (problems, responses, critiques) into prompts safely.

Text is enclosed in delimiters that it cannot contain, and role tokens are removed from it, so that a response can
neither end its own fence nor start a turn of another role. The result is stable byte for byte: the same text always
gives the same prompt.
"""

import re
from typing import Literal

Fence = Literal["problem", "response", "critique", "hints"]

_FENCE_TAG = re.compile(r"<(?=\s*+/?\s*+(?:problem|response|critique|hints))", re.IGNORECASE)
_ROLE_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>"  # <|im_start|>, <|eot_id|>, <|end_of_text|> and similar tokens
    r"|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>"  # DeepSeek's full-width form
    r"|\[/?INST\]|<</?SYS>>|</?s>|<bos>|<eos>|<(?:start|end)_of_turn>"
)
_MAX_NESTING = 8


def strip_role_tokens(text: str) -> str:
    """Give `text` without chat-template control tokens, including those that only appear once others are removed."""
    for _ in range(_MAX_NESTING):
        stripped = _ROLE_TOKEN.sub("", text)
        if stripped == text:
            return text
        text = stripped
    # Deeper nesting is an attack that also costs time. Without their opening brackets, no tokens remain.
    return text.replace("<", "&lt;").replace("[", "(")


def fence(tag: Fence, text: str) -> str:
    """Give `text` between `<tag>` lines; fence tags inside it are escaped (`<` becomes `&lt;`)."""
    return f"<{tag}>\n{_FENCE_TAG.sub('&lt;', strip_role_tokens(text)).strip()}\n</{tag}>"
