"""Finds the program in what a model wrote: in a fence, between tags, or bare."""

import keyword
import re
from collections.abc import Collection, Iterator
from textwrap import indent

_FENCE = re.compile(r"(?P<margin>[ \t]*)(?P<marks>`{3,}|~{3,})[ \t]*(?P<language>[\w+#-]*)")
_PYTHON = frozenset({"", "py", "python", "python2", "python3", "ipython"})
_TAGGED = re.compile(r"\[(?:PYTHON|BEGIN)\](.*?)(?:\[/PYTHON\]|\[DONE\]|\[END\]|\Z)", re.DOTALL)
_END_OF_TEXT = re.compile(r"<\|(?:endoftext|end_of_text|im_end|eot_id|file_separator)\|>|</s>|<eos>|<end_of_turn>")
_OPENING = re.compile(r"(?:async +def|def|class|import|from) +\w|@\w")
"""How a program begins."""
_DEFINITION = re.compile(r"^(?:(?:async +)?def|class) +\w", re.MULTILINE)
_SENTENCE = re.compile(r"(?P<word>[^\W\d]\w*)(?:,? +[^\W\d]|[,.]|:?$|'\w)|[*>|\d-]")
"""How a line begins that is not Python, unless its first word is a keyword."""


def extract_code(response: str, names: Collection[str]) -> str | None:
    """Give the program that a response holds, or None if it holds none.

    Of several fences the last one counts that defines one of the names, or, if there are no names, any function or
    class; and else the last one. A fence that is never closed reaches to the end, and one that is never opened (the
    prompt did) from the beginning. Without a fence, the program reaches from the first line that begins one to the next
    sentence. A response that begins indented is the body of a function, and keeps its indentation.

    Args:
        response: The text of a model, without its reasoning.
        names: Names of which the program has to define one; none if they are not known.
    """
    text = _END_OF_TEXT.split(response.replace("\r\n", "\n"), maxsplit=1)[0]
    blocks: list[str] = [block for block in (*_fenced(text), *_TAGGED.findall(text)) if block.strip()]
    if not blocks:
        return _bare(text)
    return next((block for block in reversed(blocks) if _is_program(block, names)), blocks[-1])


def _is_program(block: str, names: Collection[str]) -> bool:
    return defines(block, names) if names else _DEFINITION.search(block) is not None


def defines(code: str, names: Collection[str]) -> bool:
    """Say whether a program defines one of the names, outside of functions and classes."""
    either = "|".join(map(re.escape, names))
    return re.search(rf"^(?:(?:async +)?def +|class +)?(?:{either})\b *[(:=]", code, re.MULTILINE) is not None


def as_body(code: str) -> str:
    """Give the code as the body of a function: indented, and cut before the first line outside of the function."""
    lines = code.expandtabs(4).strip("\n").split("\n")
    if not lines[0].startswith(" "):
        following = next((_margin(line) for line in lines[1:] if line.strip()), None)
        if following is None or following == (4 if lines[0].rstrip().endswith(":") else 0):
            return indent("\n".join(lines), "    ")
        lines[0] = f"    {lines[0]}"  # whoever cut the response has stripped its first line alone
    inside = (not line.strip() or line[0] in " #)]}" for line in lines)
    end = next((number for number, is_inside in enumerate(inside) if not is_inside), len(lines))
    return "\n".join(lines[:end])


def _fenced(text: str) -> Iterator[str]:
    """Give the text of every fence that is Python, or may be."""
    lines = text.split("\n")
    fences = [match for line in lines if (match := _FENCE.match(line))]
    block: list[str] = []
    opened = None
    if len(fences) % 2 and not fences[0]["language"] and _begins_program(text):
        opened = fences[0]
    for line in lines:
        fence = _FENCE.match(line)
        if opened is None:
            opened, block = fence, []
        elif fence is not None and not fence["language"] and fence["marks"].startswith(opened["marks"]):
            if opened["language"].lower() in _PYTHON:
                yield "\n".join(block)
            opened = None
        else:
            block.append(line.removeprefix(opened["margin"]))
    if opened is not None and opened["language"].lower() in _PYTHON:
        yield "\n".join(block)


def _bare(text: str) -> str | None:
    lines = text.split("\n")
    if not _begins_program(text):
        start = next((number for number, line in enumerate(lines) if _OPENING.match(line)), len(lines))
        lines = lines[start:]
    end = next((number for number, line in enumerate(lines) if _is_sentence(line)), len(lines))
    return "\n".join(lines[:end]).rstrip() or None


def _begins_program(text: str) -> bool:
    first = next((line for line in text.split("\n") if line.strip()), "")
    return first.startswith((" ", "\t")) or _OPENING.match(first) is not None


def _is_sentence(line: str) -> bool:
    found = _SENTENCE.match(line)
    return found is not None and not (found["word"] and keyword.iskeyword(found["word"]))


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
