"""Find the labelled parts of a critique's text and read their verdicts; `critique.py` combines them.

All repetition in the patterns is possessive or bounded, so that every text takes linear time.
"""

import re
from itertools import islice
from typing import Literal, NamedTuple, get_args

from critique_graph.core.reasoning import mentions_reasoning, split_reasoning
from critique_graph.core.schema import Verdict

LabelKind = Literal["sentence", "step", "final", "explanation"]
_KINDS = frozenset(get_args(LabelKind))

_LABEL_TEMPLATE = r"""
    ^[\ \t>#*_•+-]*+ (?:\d{{1,3}}[.)][\ \t*_]*+)?+
    (?:
        (?P<sentence> step\s{{1,3}}sentence )
      | (?P<step> correctness\s{{1,3}}of\s{{1,3}}(?:(?:the|this)\s{{1,3}})?step )
      | (?P<final> correctness\s{{1,3}}of\s{{1,3}}(?:the\s{{1,3}})?final\s{{1,3}}answer )
      | (?P<explanation> explanation )
      {more}
    )
    (?:[\ \t]{{0,3}}\#?\d{{1,4}})?+ [*_\ \t]*+ [:\uff1a] [*_]{{0,3}}+ [\ \t]*+
"""
_LABEL_FLAGS = re.IGNORECASE | re.MULTILINE | re.VERBOSE
_LABEL = re.compile(_LABEL_TEMPLATE.format(more=""), _LABEL_FLAGS)
_FIGURE_LABELS = r"""
      | step\ {0,2}\#?(?P<number>\d{1,4})
      | (?P<short_final> final\s{1,3}answer )(?=[*_\ \t]*+[:\uff1a][*_\ \t]*+(?:correct|wrong|incorrect)\b)
"""
_FIGURE_LABEL = re.compile(_LABEL_TEMPLATE.format(more=_FIGURE_LABELS), _LABEL_FLAGS)
"""For texts without `Step sentence:`, like the paper's figures: `Step1: <the step>`, or `Step1: Wrong`."""
_SENTENCE = re.compile(r"step\s{1,3}sentence[^\n:\uff1a]{0,8}[:\uff1a]", re.IGNORECASE)
_VERDICT_ONLY = re.compile(r"(?:correct|wrong|incorrect)\b[*_.]{0,3}\s{0,3}(?:explanation\b|\Z)", re.IGNORECASE)
_MAX_LABELS = 1000
"""Maximum number of labels that are read; real critiques have fewer than a hundred."""

_NOMINAL: dict[str, Verdict] = {"Correct": "correct", "Wrong": "wrong"}
"""Verdicts as the format has them; most are, and need not be searched."""
_MAX_WORDING = 200
"""Number of characters in which a verdict is searched for."""

_FILLER = re.compile(
    r"^[ \t]*+(?:-{3,}+|\*{3,}+|_{3,}+|</?critique>|[#*_]{1,6}[ \t]*+step ?\d{1,3}[*_:]*+)[ \t]*+$",
    re.IGNORECASE | re.MULTILINE,
)
"""Lines without content: rules, our own tags, headings like `### Step 2`."""
_TRAILING_SPACE = re.compile(r"(?:(?<=\S)|^)[^\S\n]++$", re.MULTILINE)

_NOT = r"(?:\b(?:not|never|cannot|can't|neither|nor)|n['\u2019]t)"
_NOT_WRONG = re.compile(
    rf"(?:{_NOT}|\b(?:no|nothing|none|zero|without|free[ ](?:of|from)))"
    r"[ ](?:(?:is|are|was|be|been|seems?|looks?|to|at[ ]all|an?|any|the|anything|obviously|actually)[ ]){0,3}"
    r"(?:wrong|incorrect|errors?|mistakes?|flaws?)\b|\b(?:error|mistake)[ -]?free\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:wrong|incorrect)\b|^\W*false\b"
    r"|^\W*no\b(?! (?:\w{1,12} ){0,2}(?:errors?|mistakes?|flaws?|issues?|problems?)\b)"
    rf"|(?:{_NOT}|\b(?:partially|partly|mostly|almost|nearly|half|hardly|far[ ]from))"
    r"[ -](?!(?:only|just|merely|simply)\b)(?:\w{1,12}[ -]){0,2}(?:correct|right)\b",
    re.IGNORECASE,
)
_CORRECT = re.compile(r"\b(?:correct|right)\b|^\W*(?:true|yes)\b", re.IGNORECASE)
_EITHER = re.compile(
    r"\bcorrect\s?(?:\||/|n?or)\s?(?:wrong|incorrect)\b|\b(?:wrong|incorrect)\s?(?:\||/|n?or)\s?correct\b",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"correctness\s{1,3}of\s{1,3}(?:(?:the|this)\s{1,3})?(?P<kind>final\s{1,3}answer|step)"
    r"(?:[ \t]{0,3}\#?\d{1,4})?[*_\s]{0,4}[:\uff1a](?P<wording>[^\n]{0,60})",
    re.IGNORECASE,
)


class Label(NamedTuple):
    """A label with the text up to the next one."""

    kind: LabelKind
    value: str
    number: int | None = None
    """The step's own number, 1-based, where the label holds one."""


def find_labels(text: str, response: str | None, warnings: set[str], *, has_reasoning: bool) -> list[Label]:
    """Split a critique at its labels; what is tolerated is added to `warnings` (see `parse_critique`)."""
    body = text.replace("\r\n", "\n").replace("\r", "\n")
    if has_reasoning:
        body = _without_reasoning(body, response, warnings)
    body = _without_code_fence(body)
    pattern = _LABEL if _SENTENCE.search(body) else _FIGURE_LABEL
    matches = list(islice(pattern.finditer(body), _MAX_LABELS + 1))
    if len(matches) > _MAX_LABELS:
        warnings.add("too_many_labels")
        body = body[: matches.pop().start()]
    if response is not None:
        matches = _without_quoted(matches, response, warnings)
    spans = [match.span() for match in matches]
    if matches and _clean("\n" + body[: spans[0][0]]):
        warnings.add("text_before_critique")
    ends = [*(start for start, _ in spans[1:]), len(body)]
    labels: list[Label] = []
    for match, (_, begin), end in zip(matches, spans, ends, strict=False):
        kind, value = match.lastgroup, _clean(body[begin:end])
        if kind in _KINDS:
            labels.append(Label(kind, value))  # type: ignore[arg-type]
        else:
            labels += _read_figure_label(match, value)
    return labels


def split_reply(text: str, *, may_quote: bool) -> tuple[str | None, str]:
    """Split a reply as `split_reasoning` does, but never in the middle of a critique.

    A tag in the middle that has parts of a critique before it is a quotation, wherever it comes from, unless what
    follows gives one final verdict, which is also the last one before the tag: then those parts were a draft.
    """
    reasoning, rest = split_reasoning(text, may_quote=may_quote)
    if may_quote or reasoning is None or not _LABEL.search(reasoning):
        return reasoning, rest
    at_the_beginning = split_reasoning(text, may_quote=True)
    first_block = at_the_beginning[0] or ""
    if len(_LABEL.findall(reasoning)) == len(_LABEL.findall(first_block)):
        return reasoning, rest
    before, after = _final_verdicts(reasoning)[len(_final_verdicts(first_block)) :], {*_final_verdicts(rest)}
    is_draft = len(after) == 1 and (not before or after == {before[-1]})
    return (reasoning, rest) if is_draft else at_the_beginning


def read_verdict(wording: str) -> Verdict | None:
    """Read the text after `Correctness of ...:`; any word for wrong takes precedence over one for correct.

    A negated word for wrong counts as one for correct: "no errors", "nothing wrong", "not incorrect".
    """
    if (nominal := _NOMINAL.get(wording)) is not None:
        return nominal
    wording = wording[:_MAX_WORDING]
    if _EITHER.search(wording):
        return None
    wording = _NOT_WRONG.sub(" correct ", wording)
    if _WRONG.search(wording):
        return "wrong"
    return "correct" if _CORRECT.search(wording) else None


def without_labels(value: str) -> str:
    """Give `value` in a form in which no line can be read as a label: on one line, if necessary."""
    second_line = value.find("\n") + 1
    if second_line and (_FIGURE_LABEL.search(value, second_line) or _FILLER.search(value, second_line)):
        return " ".join(value.split())
    return value


def _final_verdicts(text: str) -> list[Verdict | None]:
    labels = (label for label in islice(_LABEL.finditer(text), _MAX_LABELS) if label.lastgroup == "final")
    return [read_verdict(text[label.end() : label.end() + _MAX_WORDING].partition("\n")[0]) for label in labels]


def _without_reasoning(body: str, response: str | None, warnings: set[str]) -> str:
    reasoning, rest = split_reply(body, may_quote=response is not None and mentions_reasoning(response))
    if reasoning is None and rest == body:
        return body
    warnings.add("reasoning_removed")
    return rest


def _without_code_fence(body: str) -> str:
    stripped = body.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        return stripped.partition("\n")[2].rpartition("\n")[0]
    return body


def _without_quoted(matches: list[re.Match[str]], response: str, warnings: set[str]) -> list[re.Match[str]]:
    """Leave out the verdict lines that only repeat what the response claims about itself.

    A response may contain `Correctness of the final answer: Correct`, and the critic may quote that line. So a verdict
    that the response claims does not count inside a step sentence whose own verdict is still to come, and it does not
    count as the final verdict while more steps follow.
    """
    found = {(claim["kind"].lower(), claim["wording"]) for claim in _CLAIM.finditer(response)}
    claims = {("step" if kind == "step" else "final", read_verdict(wording)) for kind, wording in found}
    if not claims:
        return matches
    kept: list[re.Match[str]] = []
    ahead = _verdicts_ahead(matches)
    last_step = max(
        (i for i, match in enumerate(matches) if match.lastgroup not in ("final", "explanation")), default=0
    )
    for index, match in enumerate(matches):
        wording = match.string[match.end() : match.end() + 60].partition("\n")[0]
        is_in_sentence = bool(kept) and kept[-1].lastgroup in ("sentence", "number")
        is_quoted = (match.lastgroup, read_verdict(wording)) in claims and (
            (match.lastgroup == "step" and is_in_sentence and ahead[index])
            or (match.lastgroup == "final" and (is_in_sentence or index < last_step))
        )
        if is_quoted:
            warnings.add("verdict_quoted")
        else:
            kept.append(match)
    return kept


def _verdicts_ahead(matches: list[re.Match[str]]) -> list[bool]:
    """For each label, whether another verdict of the same step follows before its explanation."""
    ahead: list[bool] = []
    follows = False
    for match in reversed(matches):
        ahead.append(follows)
        follows = match.lastgroup == "step" or (follows and match.lastgroup == "final")
    return ahead[::-1]


def _clean(value: str) -> str:
    """Drop filler lines and trailing spaces; the first line follows its label and is never filler."""
    first, _, rest = value.partition("\n")
    if not rest or rest.isspace():
        return first.strip()
    return _TRAILING_SPACE.sub("", f"{first}\n{_FILLER.sub('', rest)}").strip()


def _read_figure_label(match: re.Match[str], value: str) -> list[Label]:
    if match.lastgroup == "short_final":
        return [Label("final", value)]
    number = int(match["number"])
    if _VERDICT_ONLY.match(value):
        return [Label("sentence", "", number), Label("step", value)]
    return [Label("sentence", value, number)]
