r"""Find the final answer in a response, and the reference answer in a data set's gold text.

An answer is what the text presents as one: a box, a label such as `**Answer:** 4`, or else a stated answer. There is no
rule "last number in the text": in responses that end in a plain sentence, it often picks a number that is not the
answer, and nobody can see that it guessed. Such responses have no readable answer.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from critique_graph.core.untrusted import strip_role_tokens

_SCANNED_TAIL = 32_768
"""Characters searched, counted from the end of a text: an answer comes last, and the time stays limited."""
_LONGEST_ANSWER = 2_000
"""Maximum number of characters kept of an answer; graders refuse much shorter ones as too complex."""
_STATEMENTS_TRIED = 16
"""Number of statements that are tried, from the last backwards: "the answer is correct" states none."""
_LONGEST_JOIN = 80
"""Maximum number of characters between two boxes, or two formulas, that give one answer together."""

_BOX_OR_BRACE = re.compile(
    r"\\{1,2}(?:begin)?(?P<box>boxed|fbox)\s*\{"  # models also write \\boxed (escaped twice) and \beginboxed
    r"|\\boxed\s+(?P<token>[^\s{}$\\]+)"  # \boxed 5
    r"|\\.|[{}]",
    re.DOTALL,
)
_BETWEEN = (
    r"(?:[\s$,;:\uff0c\uff1b\u3001&*\-•]|\\[,;!()\[\] ]|\\q?quad(?![A-Za-z])|\\\\|\(?(?:part\s)?\(?[a-e1-9]\)"
    r"|[1-9]\.(?=\s))*"
)
_JOIN = re.compile(
    _BETWEEN
    + r"(?:\\text\{[^{}]{0,30}\b(?:and|or)\b[^{}]{0,30}\}|and|or|as well as|和|或|与|以及|及)?"
    + _BETWEEN
    + r"(?:(?:[A-Za-z](?:_\{?\w{1,3}\}?)?|\\[a-z]{2,8})\s*(?:=|\\in(?![a-z]))[\s$]*)?",
    re.IGNORECASE,
)
_AND = re.compile(r"[\s,;\u3001\uff0c]*(?:and|or|和|或)?\s*(?=\$|\\[(\[])", re.IGNORECASE)
_PLACEHOLDERS = frozenset({"answer", "your answer", "the answer", "final answer", "your final answer", "answer here"})
_NO_REFERENCE = frozenset({"n/a", "na", "nan", "null", "tbd", "-", "?"})
_ELLIPSES = frozenset({"...", "…", "?", r"\ldots", r"\dots", r"\cdots"})
_GSM8K = re.compile(r"^####(?!#)[ \t]*(\S[^\n]*)$", re.MULTILINE)
_GSM8K_NUMBER = re.compile(
    r"(?P<number>[-+\u2212]?[^\w\s\\]{0,2}\d(?:[\d.,/ ]*\d)?%?)"
    r"(?:(?P<stop>[.:)])\s|\s*(?P<rest>[A-Za-z][^\d=+*/^\\]*)?$)"
)
_MULTIPLIES = re.compile(
    r"(?:hundred|thousand|[mbtr]+illion|dozen|squared|cubed|half|halves|thirds?|quarters?|percent)\b"
)
_STATED = re.compile(
    r"\banswer[*_`]{0,3}(?:\s(?:to|for|of)\s(?:the|this|that)\s\w{1,20})?\s{0,3}"
    r"(?:(?:is|equals|(?:would|should|must|will)\sbe|[:\uff1a=])(?![\w=])|(?=\$|\\[(\[]))"
    r"|^\s{0,3}A:|答案\s{0,3}(?:是|为|為|[:\uff1a])",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL = re.compile(
    r"^[ \t>*_#\-]{0,8}(?:the[ ]|my[ ])?(?:final[ ]|correct[ ])?answer[*_]{0,3}[ ]{0,3}(?:[:\uff1a][*_]{0,3}|$)"
    r"|\bfinal[ ]answer[*_]{0,3}[ ]{0,3}:[*_]{0,3}"
    r"|^[ \t>*_#\-]{0,8}(?:最终)?答案[*_]{0,3}[ ]{0,3}(?:[:\uff1a]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_FILLER = re.compile(
    r"(?:(?:therefore|thus|hence|then|simply|just|indeed|clearly|approximately|about|roughly|around|exactly|equal to"
    r"|equals|given by|option|choice|is|to be)\b|\\approx(?![a-z])|\\?[\"“”]|[:\uff1a≈~*_`=>'])\s*",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"(?:not|in)?(?:correct|right|clear|wrong|obvious|valid|known|possible|reasonable|consistent)\b"
    r"|(?:not|unclear|unknown|impossible to|as follows|below|above|shown|found|that|what|in the|verified|confirmed)\b",
    re.IGNORECASE,
)
_MATH_SPAN = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_CLAUSE_END = re.compile(
    r"\n|[.?](?=\s|$)|!(?=\s*$|\s+[A-Z])|[\u3002\uff01\uff1f]"
    r"|,?\s\(?(?:because|since|which|so|as|that|where|when|after|altogether|in total)\b"
    r"|,?\s(?:and|but)\s(?=(?:that|this|it|we|so|the|he|she|they|is|not)\b)",
)
_SENTENCE = re.compile(r"(?:the|this|that|our|my|a|it|there|so|thus)\s", re.IGNORECASE)
_IN_WORDS = re.compile(r"(?<=\d)\s\([A-Za-z][A-Za-z -]{0,60}\)(?=[\s.]*$)")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n")
_EMPHASIS_END = re.compile(r"(?:\*\*|__)(?=[\s,;:]|$)")
_ASIDE = re.compile(r",\s(?!(?:and|or)\s)(?=[A-Za-z]{2,}(?:\s|$))")


class _Box(NamedTuple):
    start: int
    content: str
    end: int


def extract_answer(text: str) -> str | None:
    r"""Final answer that `text` presents, or None if it presents none.

    In this order: a label (`#### 18`, a line `**Answer:** 18`, `Final Answer: 18`) or `<answer>18</answer>` after the
    last box; the last balanced, non-empty `\boxed{}` or `\fbox{}` (the innermost of nested ones), together with the
    boxes that it is listed with (`\boxed{3} and \boxed{5}`); such a label anywhere; the text after the last "answer
    is". The prompt's own placeholder, `\boxed{ANSWER}`, is no answer. Takes linear time.
    """
    tail = text[-_SCANNED_TAIL:]
    boxes = _boxes(tail)
    labelled = _labelled(tail[boxes[-1].end :] if boxes else tail)
    if labelled is not None:
        return labelled
    if boxes and (answer := _clean(_listed_box(tail, boxes))):
        return answer
    return _stated(tail)


def extract_reference(text: str) -> str | None:
    r"""Reference answer in gold text: GSM8K's `#### 18`, a MATH solution's `\boxed{}`, or a bare answer."""
    found = extract_answer(text) or _clean(text)
    return None if found.casefold() in _NO_REFERENCE else found or None


def read_answer(text: str) -> str | None:
    """Answer in a response, or `text` itself if it is a bare answer: one line that presents no other answer."""
    answer = extract_answer(text)
    if answer is not None:
        return answer
    bare = text.strip()
    if "\n" in bare or _is_placeholder(bare):
        return None
    return _clean(bare) or None


def _boxes(text: str) -> list[_Box]:
    """Balanced boxes that hold an answer and no other box; an escaped brace neither opens nor closes a box."""
    opened: list[tuple[int, int] | None] = []  # per open brace: where a box and its content start
    found: list[_Box] = []
    for match in _BOX_OR_BRACE.finditer(text):
        token = match["token"]
        if token is not None:
            found.append(_Box(match.start(), token, match.end()))
        elif match["box"] is not None:
            opened.append((match.start(), match.end()))
        elif match[0] == "{":
            opened.append(None)
        elif match[0] == "}" and opened:
            box = opened.pop()
            if box is None or (found and found[-1].start > box[0]):
                continue
            content = text[box[1] : min(match.start(), box[1] + _LONGEST_ANSWER)].strip()
            if content and not _is_placeholder(content):
                found.append(_Box(box[0], content, match.end()))
    return found


def _is_placeholder(content: str) -> bool:
    bare = re.sub(r"\\(?:boxed|fbox|text|mathrm|textbf)\s{0,3}\{([^{}]*)\}", r"\1", content)
    return bare.strip(" <>[]()*_$.").casefold() in _PLACEHOLDERS or content in _ELLIPSES


def _listed_box(text: str, boxes: list[_Box]) -> str:
    """Content of the last box; where boxes are listed before it in the same sentence, the contents of all."""
    contents = [boxes[-1].content]
    for earlier, later in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        between = text[earlier.end : later.start]
        if len(between) > _LONGEST_JOIN or not _JOIN.fullmatch(between):
            break
        if earlier.content not in contents:
            contents.append(earlier.content)
    return ", ".join(reversed(contents))


def _labelled(text: str) -> str | None:
    """Answer behind the last `####`, or else in the last `<answer>` tag or behind the last label that has a line."""
    for match in reversed(list(_GSM8K.finditer(text))):
        if answer := _after_hashes(match[1]):
            return answer
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    if start >= 0:
        inside = text[start + len("<answer>") : end]
        return _stated(inside) or _statement(inside.strip())
    for match in _last_matches(_LABEL, text):
        labelled = text[match.end() :].lstrip().partition("\n")[0]
        if answer := _stated(labelled) or _after_is(labelled) or _statement(text[match.end() :]):
            return answer
    return None


def _after_hashes(line: str) -> str | None:
    """The answer in a line `#### 12 apples`; None if the line is a heading."""
    line = _without_fillers(_clean(line))
    if (formula := _MATH_SPAN.match(line)) or line.startswith("\\") or re.fullmatch(r"\(?[A-Z]\)?", line):
        return _clean(_group(formula)) if formula else line
    number = _GSM8K_NUMBER.match(line)
    if number is None or number["stop"]:
        return line if re.match(r"[-+\u2212(\[{]?\$?[\d.]|[a-zA-Z]\s?=", line) and not number else None
    rest = number["rest"]
    return line if rest and _MULTIPLIES.match(rest) else _clean(number["number"])


def _stated(text: str) -> str | None:
    """The text after the last "answer is" that states one, up to the end of its formula or sentence."""
    for match in _last_matches(_STATED, text):
        if answer := _statement(text[match.end() :]):
            return answer
    return None


def _after_is(sentence: str) -> str | None:
    """The value behind the last "is" of a labelled sentence such as "The largest $n$ is 34."."""
    first = _SENTENCE_END.split(sentence[:_LONGEST_ANSWER], maxsplit=1)[0]
    _, verb, value = first.rpartition(" is ")
    return _statement(value) if verb and re.match(r"[-$\\\d(]", value.strip("* ")) else None


def _last_matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    return reversed(list(pattern.finditer(text))[-_STATEMENTS_TRIED:])


def _statement(text: str) -> str | None:
    """The answer with which `text` begins; None if it begins with none."""
    stated = _without_fillers(text[: 2 * _LONGEST_ANSWER].lstrip())
    if _NO_ANSWER.match(stated):
        return None
    if formulas := _formulas(stated):
        return _clean(formulas) or None
    clause = _EMPHASIS_END.sub("", _CLAUSE_END.split(stated, maxsplit=1)[0])
    if _is_placeholder(clause):
        return None
    if _SENTENCE.match(clause) and (value := _after_is(stated)):
        return value
    before, *aside = _ASIDE.split(clause, maxsplit=1)
    if aside and re.search(r"\d", before):
        clause = before
    return _clean(_IN_WORDS.sub("", clause)) or None


def _without_fillers(text: str) -> str:
    while filler := _FILLER.match(text):
        text = text[filler.end() :]
    return text


def _formulas(text: str) -> str | None:
    """The formula with which `text` begins, with the formulas it is listed with: `$3$ or $5$`."""
    found: list[str] = []
    formula = _MATH_SPAN.match(text)
    while formula is not None:
        found.append(_group(formula))
        joined = _AND.match(text, formula.end())
        formula = None if joined is None else _MATH_SPAN.match(text, joined.end())
    return ", ".join(found) or None


def _group(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None)


def _clean(answer: str) -> str:
    """Strip space, emphasis, end tokens, math delimiters and final stops from an answer, and cut it."""
    answer = strip_role_tokens(answer[: 2 * _LONGEST_ANSWER].removesuffix("</answer>")).strip("*_`。 \t\r\n")
    while answer.endswith((".", "$")) and not answer.endswith("\\$"):
        answer = answer[:-1].rstrip("*_` ")
    if formula := _MATH_SPAN.fullmatch(answer + "$" * (answer.startswith("$") and not answer.startswith("$$"))):
        answer = _group(formula)
    return answer.strip("*` \t\r\n")[:_LONGEST_ANSWER]
