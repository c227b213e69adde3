"""Give answers that are written differently the same spelling: Unicode, LaTeX layout, units, plain-text formulas.

The result is LaTeX that math-verify can read; equal results mean equal answers. `exact` does the computing.
"""

import re
import unicodedata

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

_TEXT = r"\\(?:text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}"
_POWER = r"(?:\s*\^\s*(?:\d|\{\s*\d\s*\}))?"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE if "answer" in pattern else 0), replacement)
    for pattern, replacement in (
        (r"\\!", ""),
        (r"\{,\}", ","),
        (r"\\?\$|(?<!\\)\\[()\[\]]|[€£¥]", ""),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle)(?![A-Za-z])", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad(?![A-Za-z])", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})|\\degrees?(?![A-Za-z])", ""),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (r"\\%|(?<=\d)\s*percent\b", "%"),
        (rf"(?<=[\d}})\]])(?:\s*/?\s*{_TEXT}{_POWER})+[\s.]*$", ""),  # units: 15\text{ cm}^2
        (_TEXT, r"\1"),
        (r"^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is|:)\s*:?", ""),
        (r"(?<=[\d})\]])\s*,?\s*\b(?:and|or)\b\s*(?=[-\\\d(\[])", ","),
        (r"\*\*", "^"),
        (r"(?<=[\w)}])\s*\*\s*(?=[\w(\\])", r"\\cdot "),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
        (r"\^\(([^()]*)\)", r"^{(\1)}"),  # 2^(1/4): LaTeX would raise only the bracket
    )
)
_PLAIN_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)")
_CHOICE = re.compile(r"\(?([A-Z])\)?")
_SPACE = re.compile(r" +(?![A-Za-z0-9])|(?<![A-Za-z0-9]) +")


def normalise(answer: str) -> str:
    """The answer as LaTeX without layout, currency, degree signs and units; spaces only where they separate words."""
    text = " ".join(answer.split())  # first, because runs of spaces would make some patterns below slow
    text = _ROOT.sub(lambda m: rf"\sqrt{{{m[1]}}}" if m[1] else "sqrt", text)
    text = unicodedata.normalize("NFKC", text.translate(_UNICODE_MATH))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    while (rooted := _PLAIN_ROOT.sub(r"\\sqrt{\1}", text)) != text:  # innermost first
        text = rooted
    text = _SPACE.sub("", " ".join(text.split())).lstrip("=:;, ").rstrip("=:;,.\\ ")
    choice = _CHOICE.fullmatch(text)
    return choice[1] if choice else text
