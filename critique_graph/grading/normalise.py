"""Give answers that are written differently the same spelling: Unicode, LaTeX layout, units, plain-text formulas.

The result is LaTeX that math-verify can read; equal results mean equal answers. `exact` does the computing.
"""

import re
import unicodedata
from typing import NamedTuple

from critique_graph.grading.units import CURRENCIES, CURRENCY_CODES, unit_of

_SPELLINGS = {
    "√": r"\sqrt",
    "\N{MULTIPLICATION SIGN}": r"\times ",
    "\N{DIVISION SIGN}": "/",
    "\N{DIVISION SLASH}": "/",
    "π": r"\pi ",
    "θ": r"\theta ",
    "∞": r"\infty ",
    "±": r"\pm ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "\N{UNION}": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    **dict.fromkeys("·⋅∙", r"\cdot "),
    **dict.fromkeys("\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{EM DASH}", "-"),
    **dict.fromkeys("°\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}", ""),
}
_SUPERSCRIPTS = {mark: f"^{{{unicodedata.digit(mark)}}}" for mark in "⁰¹²³⁴⁵⁶⁷⁸⁹"}
_VULGAR_FRACTIONS = {
    mark: r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", mark).split("\N{FRACTION SLASH}"))
    for mark in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
}
# Applied before NFKC, which would read x² as x2 and 2½ as 21/2.
_UNICODE_MATH = str.maketrans(_SPELLINGS | _SUPERSCRIPTS | _VULGAR_FRACTIONS)
_ROOT = re.compile(r"√\s*(?:(\d+(?:\.\d+)?|[A-Za-z])|(?=\())")  # √10 is \sqrt{10}, not \sqrt 10; √( is sqrt(

_TEXT = (
    r"\\(?:text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|underline|emph|operatorname)\s*"
    r"\{([^{}]*)\}"
)
_POWER = r"(?:\s*\^\s*(?:\d|\{\s*\d\s*\}))?"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE if "answer" in pattern else 0), replacement)
    for pattern, replacement in (
        (r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ","),
        (r"(?<=\d)\{,\}(?=\d)", "."),  # a decimal comma
        (r"\\(?:(?:bf|it|rm|sf|tt)(?:series|family|shape)?|small|[lL]arge|LARGE|[hH]uge)(?![A-Za-z])\s*", ""),
        (r"\\(?:text)?color\s*\{\w+\}", ""),
        (r"\\?\$|(?<!\\)\\[()\[\]]", ""),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle)(?![A-Za-z])", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})|\\degrees?(?![A-Za-z])", ""),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (_TEXT, r"\1"),
        (r"\\%|(?<=\d)\s*percent\b", "%"),
        (r"[,;]?\s*(?:for (?:all|any|every|each)\b|\\forall(?![A-Za-z])).*$", ""),
        (r"(?<=\d)\s*[:\uff1a]\s*(?=\d)", ":"),
        (r"\+\s+-\s*(?=[\d.])", "-"),
        (r"^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is|:)\s*:?", ""),
        (r"(?<=[\d})\]])\s*,?\s*\b(?:and|or)\b\s*(?=[-\\\d(\[]|[A-Za-z]\s?=)", ","),
        (r"[\u3001\uff0c]|[;\uff1b](?=\s*[-\d])", ","),
        (r"(?<![\\A-Za-z])((?:arc)?(?:sin|cos|tan)h?|cot|sec|csc|ln|log)(?![A-Za-z])", r"\\\1 "),
        (r"(?<![\\A-Za-z])sqrt\s*(\d+)", r"\\sqrt{\1}"),
        (r"\*\*", "^"),
        (r"(?<=[\w)}])\s*\*\s*(?=[\w(\\])", r"\\cdot "),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
        (r"\^\(([^()]*)\)", r"^{(\1)}"),  # 2^(1/4): LaTeX would raise only the bracket
    )
)
_UNIT_IN_TEXT = re.compile(rf"(?<=[\d}})\]])(?:\s*/?\s*{_TEXT}{_POWER})+[\s.]*$")  # 15\text{ cm}^2
_IS_NO_UNIT = re.compile(r"\b(?:and|or|to|than|less|more|at|least|most|for|mod|[a-z]+illion|hundred|thousand|dozen)\b")
_NO_SPACE = re.compile(r"(?<=,)\\![ ~]?(?=\d{3})|\\!")
_THOUSANDS = re.compile(r"[^\d(\[{,]*[1-9]\d{0,2}(?:,\d{3})+(?!\d|\s*,)")
_CURRENCY = re.compile(
    "|".join([*CURRENCIES, *(rf"(?<![A-Za-z]){re.escape(code)}(?=\s?\\?\$?\d)" for code in CURRENCY_CODES)])
)
_TEMPERATURE = re.compile(r"(?<=[\d}])\s*(?:°|\^\s*\\circ(?![A-Za-z])|\^\s*\{\s*\\circ\s*\})\s*([CF])(?![A-Za-z])")
_PLAIN_CALL = re.compile(r"(?<![\\A-Za-z])\\?(?P<name>sqrt|exp)\s*\(")
_CHOICE = re.compile(r"\(?([A-Z])\)?")
_SPACE = re.compile(r" +(?![A-Za-z0-9])|(?<![A-Za-z0-9]) +")


class Normalised(NamedTuple):
    """An answer in normal spelling."""

    text: str
    """LaTeX without layout, currency, degree signs and units in `\text`; spaces only where they separate words."""
    unit: frozenset[str]
    """Words of the unit and of the currency that were dropped."""


def normalise(answer: str) -> Normalised:
    """Give an answer in normal spelling, and the unit that it had."""
    text = " ".join(answer.split())  # first, because runs of spaces would make some patterns below slow
    unit = {CURRENCIES.get(sign) or CURRENCY_CODES[sign] for sign in _CURRENCY.findall(text)}
    if r"\$" in text or text.count("$") == 1:
        unit.add("dollar")
    text = _TEMPERATURE.sub(r" deg\1", _CURRENCY.sub("", text))
    text = _ROOT.sub(lambda m: rf"\sqrt{{{m[1]}}}" if m[1] else "sqrt", text)
    text = unicodedata.normalize("NFKC", text.translate(_UNICODE_MATH))
    text = _NO_SPACE.sub("", text)
    if (tail := _UNIT_IN_TEXT.search(text)) and not _IS_NO_UNIT.search(words := _words(tail[0])):
        text, unit = text[: tail.start()], unit | unit_of(words)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    if thousands := _THOUSANDS.match(text):
        text = thousands[0].replace(",", "") + text[thousands.end() :]
    text = _with_braces(text)
    text = _SPACE.sub("", " ".join(text.split())).lstrip("=:;, ").rstrip("=:;,.\\ ")
    if text.startswith("{") and text.find("}") == len(text) - 1:
        text = text[1:-1]
    choice = _CHOICE.fullmatch(text)
    return Normalised(choice[1] if choice else text, frozenset(unit))


def _words(tail: str) -> str:
    r"""The words in the `\text` groups of a unit, with its powers."""
    return re.sub(_TEXT, r" \1", tail).replace(" ^", "^")


def _with_braces(text: str) -> str:
    r"""Write `sqrt(…)` and `exp(…)`, however deep their brackets are nested, as `\sqrt{…}` and `e^{…}`."""
    while call := _PLAIN_CALL.search(text):
        depth, end = 1, call.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if depth:
            break
        written = r"\sqrt" if call["name"] == "sqrt" else "e^"
        text = f"{text[: call.start()]}{written}{{{text[call.end() : end - 1]}}}{text[end:]}"
    return text
