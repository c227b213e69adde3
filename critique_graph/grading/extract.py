r"""Find the final answer in a response, and the reference answer in a data set's gold text.

An answer is what the text presents as one: a box, or else a stated answer. There is no rule "last number in the text":
in responses that end in a plain sentence, it often picks a number that is not the answer, and nobody can see that it
guessed. Such responses have no readable answer.
"""

import re

_SCANNED_TAIL = 32_768
"""Characters searched, counted from the end of a text: an answer comes last, and the time stays limited."""
_LONGEST_ANSWER = 2_000
"""Maximum number of characters kept of an answer; graders refuse much shorter ones as too complex."""

_BOX_OR_BRACE = re.compile(
    r"\\{1,2}(?:begin)?(?P<box>boxed|fbox)\s*\{"  # models also write \\boxed (escaped twice) and \beginboxed
    r"|\\boxed\s+(?P<token>[^\s{}$\\]+)"  # \boxed 5
    r"|\\.|[{}]",
    re.DOTALL,
)
_STATED = re.compile(r"\banswer\s{0,3}(?:is|:|=)(?!\w)|^\s{0,3}A:", re.IGNORECASE | re.MULTILINE)
_GSM8K = re.compile(r"^####[ \t]*([-+]?\$?[\d.,/]+%?)[ \t]*$", re.MULTILINE)
_MATH_SPAN = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_CLAUSE_END = re.compile(r"\n|\.(?=\s|$)|,?\s\(?(?:because|since|which|so)\b")


def extract_answer(text: str) -> str | None:
    r"""Final answer that `text` presents, or None if it presents none.

    In this order: the last balanced, non-empty `\boxed{}` or `\fbox{}` (the innermost of nested ones); the last
    `#### 18` line; the text after the last "answer is", "answer:" or a line that begins with "A:". Takes linear time.
    """
    tail = text[-_SCANNED_TAIL:]
    for find in (_last_box, _last_gsm8k, _last_stated):
        found = find(tail)
        if found is not None and (answer := _clean(found)):
            return answer
    return None


def extract_reference(text: str) -> str | None:
    r"""Reference answer in gold text: GSM8K's `#### 18`, a MATH solution's `\boxed{}`, or a bare answer."""
    return extract_answer(text) or _clean(text) or None


def read_answer(text: str) -> str | None:
    """Answer in a response, or `text` itself if it is a bare answer: one line that presents no other answer."""
    answer = extract_answer(text)
    if answer is not None:
        return answer
    bare = text.strip()
    return None if "\n" in bare else _clean(bare) or None


def _last_box(text: str) -> str | None:
    """Content of the balanced box that opens last; an escaped brace neither opens nor closes a box."""
    open_boxes: list[int | None] = []  # per open brace: where a box's content starts, None for any other brace
    found: str | None = None
    found_at = -1
    for match in _BOX_OR_BRACE.finditer(text):
        token = match["token"]
        if token is not None:
            found, found_at = token, match.start("token")
        elif match["box"] is not None:
            open_boxes.append(match.end())
        elif match[0] == "{":
            open_boxes.append(None)
        elif match[0] == "}" and open_boxes:
            start = open_boxes.pop()
            if start is None or start < found_at:
                continue
            content = text[start : min(match.start(), start + _LONGEST_ANSWER)].strip()
            if content:
                found, found_at = content, start
    return found


def _last_gsm8k(text: str) -> str | None:
    found = _GSM8K.findall(text)
    return str(found[-1]) if found else None


def _last_stated(text: str) -> str | None:
    """The text after the last "answer is", up to the end of its formula or sentence."""
    start = -1
    for match in _STATED.finditer(text):
        start = match.end()
    if start < 0:
        return None
    stated = text[start:].lstrip(" \t\r\n:*_")[: 2 * _LONGEST_ANSWER]
    formula = _MATH_SPAN.match(stated)
    if formula:
        return next(group for group in formula.groups() if group is not None)
    return _CLAUSE_END.split(stated, maxsplit=1)[0]


def _clean(answer: str) -> str:
    """Strip space, emphasis, math delimiters and final stops from an answer, and cut it to the maximum length."""
    answer = answer[: 2 * _LONGEST_ANSWER].strip().strip("*_ \n")
    while answer.endswith((".", "$")) and not answer.endswith("\\$"):
        answer = answer[:-1].rstrip()
    if formula := _MATH_SPAN.fullmatch(answer + "$" * (answer.startswith("$") and not answer.startswith("$$"))):
        answer = next(group for group in formula.groups() if group is not None)
    return answer.strip()[:_LONGEST_ANSWER]
