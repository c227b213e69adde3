"""Put untrusted text (problems, responses, critiques) into prompts safely.

Text is enclosed in delimiters that it cannot contain, and the tokens of chat templates are made harmless in it, so that
a response can neither end its own fence, nor start a turn of another role, nor begin or end a block of reasoning. This
also holds for disguised tokens: with other capitals, spaces, invisible characters or look-alikes of their letters. The
result is stable byte for byte: the same text always gives the same prompt, and ordinary text stays as it is.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Literal, get_args

from critique_graph.core.reasoning import TAG_NAMES

Fence = Literal["problem", "response", "critique", "hints"]

_FENCE_NAMES = "|".join(r"\s{0,2}".join(name) for name in get_args(Fence))
_FENCE_TAG = re.compile(rf"<(?=\s*+[/\\]{{0,2}}\s*+(?:{_FENCE_NAMES}))", re.IGNORECASE)
_ROLE_TOKEN = re.compile(
    r"<\|(?!channel\|>)[^|<>\n]{1,40}\|>"  # <|im_start|>, <|eot_id|>, <|end_of_text|> and similar tokens
    r"|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>"  # DeepSeek's full-width form
    r"|</?s>"
)
"""Tokens as they are written, whatever their name."""

_NAMED_TOKEN = re.compile(
    # Names between bars: Llama, ChatML, Phi, Granite, Command, gpt-oss and others; EXAONE with square brackets.
    r"<\s*+\|\s*+/?\w{0,20}?"
    r"(?:im_|system|user|human|assistant|bot|tool|observation|header|eot|eom|bos|eos|turn|text|sentence|role|start|end"
    r"|begin|return|message|call|constrain|image|python|fim|pad)\w{0,30}\s*+\|\s*+>"
    r"|\[\s*+\|\s*+(?:system|user|assistant|tool|end_?of_?turn)\s*+\|\s*+\]"
    # Mistral and Llama 2, GLM, MiniMax.
    r"|\[\s*+/?\s*+(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|MODEL_SETTINGS)\s*+\]"
    r"|\[[gs]?MASK\]|\]~!?b[\[\]]|\[e~\[|<\s*+<\s*+/?\s*+SYS\s*+>\s*+>"
    # Gemma, GLM, Command, Qwen and others.
    r"|<\s*+\|?/?(?:(?:start|end)_of_(?:turn|image|utterance|text)|[bes]os|[bes]op|pad|unk|[BE]OS_TOKEN"
    r"|/?tool_call|/?tool_response|unused\d{1,4}|extra_id_\d{1,4}|SPECIAL_\d{1,4})\s*+>"
    r"|<\|(?:turn|tool|tool_call|tool_response|image)>|<(?:turn|tool|tool_call|tool_response|image)\|>|<\s*+/\s*+s\s*+>",
    re.IGNORECASE,
)
_REASONING_TAG = re.compile(
    rf"[<\u25c1](?P<angled>\s*+[/\\]{{0,2}}\s*+(?:{'|'.join(TAG_NAMES)})\s*+/?\s*+[>\u25b7])"
    r"|<(?P<channel>\|?\s*+channel\s*+\|?>|\|\s*+channel\s*+>)|\[(?P<square>\s*+[/\\]{0,2}\s*+THINK\s*+\])"
    r"|<(?P<bars>\|\s*+(?:(?:start|end)_thinking|(?:begin|end)_of_thought)\s*+\|>|unused9[45]>)",
    re.IGNORECASE,
)
_MAX_NESTING = 8

_LOOK_ALIKES = str.maketrans(
    "\u2039\u2329\u27e8\u3008\u276e\u1438\u02c2\u227a\u203a\u232a\u27e9\u3009\u276f\u1433\u02c3\u227b"
    "\u2215\u2044\u2571\u29f8\u27cb\u3010\u3014\u27e6\u2045\u3016\u3011\u3015\u27e7\u2046\u3017"
    "\u2223\u2502\u2503\u01c0\u2758\u23d0\u2581\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501"
    "\u051b\u051d\u03bf\u03b1\u03c1\u03c4\u03bd\u03b9\u03ba\u0131\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420"
    "\u0421\u0422\u0405\u0406\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4",
    "<<<<<<<<>>>>>>>>/////[[[[[]]]]]||||||_aeopcyxsijhdqwoaptvikiABEKMHOPCTSIABEHIKMNOPT",
)
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Characters without a glyph that Unicode counts as letters or symbols."""


class _Plain(dict[int, str]):
    """How a character looks to a reader: nothing if it is invisible, and otherwise one character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = _LOOK_ALIKES.get(code)
        if plain is not None:
            character = chr(plain)
        elif character in _FILLERS or (
            unicodedata.category(character) in ("Cf", "Cc", "Cn", "Co", "Cs", "Mn", "Me") and not character.isspace()
        ):
            character = ""
        else:
            base = unicodedata.normalize("NFKD", character)[:1]
            character = chr(_LOOK_ALIKES.get(ord(base), ord(base)))
        self[code] = character
        return character


_PLAIN = _Plain()


def strip_role_tokens(text: str) -> str:
    """Give `text` without chat-template control tokens, including those that only appear once others are removed.

    Of a reasoning tag, the bracket is escaped (`<` becomes `&lt;`).
    """
    if not _has_bracket(text):
        return text
    for _ in range(_MAX_NESTING):
        stripped = _replaced(_NAMED_TOKEN, _ROLE_TOKEN.sub("", text), lambda match: "")
        if stripped == text:
            return _replaced(_REASONING_TAG, text, _harmless)
        text = stripped
    # Deeper nesting is an attack that also costs time. Without their opening brackets, no tokens remain.
    text = text.translate(_PLAIN)
    return text.replace("<", "&lt;").replace("\u25c1", "&lt;").replace("[", "(").replace("]~", ")~")


def fence(tag: Fence, text: str) -> str:
    """Give `text` between `<tag>` lines; fence tags inside it are escaped (`<` becomes `&lt;`)."""
    text = _replaced(_FENCE_TAG, strip_role_tokens(text), lambda match: "&lt;")
    return f"<{tag}>\n{text.strip()}\n</{tag}>"


def is_blank(text: str) -> bool:
    """Say whether a reader sees nothing of `text`: it holds only space and invisible characters."""
    return not any(_PLAIN[ord(character)].strip() for character in text)


def _harmless(tag: re.Match[str]) -> str:
    if tag["square"] is not None:
        return f"&#91;{tag['square']}"
    return "&lt;" + tag[0][1:].replace("\u25b7", ">")


def _has_bracket(text: str) -> bool:
    return "<" in text or "[" in text or "]" in text or not text.isascii()


def _replaced(pattern: re.Pattern[str], text: str, replacement: Callable[[re.Match[str]], str]) -> str:
    """Replace what matches in `text` as a reader sees it; everything else stays as it is."""
    plain = text.translate(_PLAIN)
    if plain == text:
        return pattern.sub(replacement, text)
    matches = list(pattern.finditer(plain))
    if not matches:
        return text
    places = [place for place, character in enumerate(text) if _PLAIN[ord(character)]]
    places.append(len(text))
    pieces, cursor = [], 0
    for match in matches:
        start, end = places[match.start()], places[match.end() - 1] + 1
        pieces += [text[cursor:start], replacement(match)]
        cursor = end
    return "".join([*pieces, text[cursor:]])
