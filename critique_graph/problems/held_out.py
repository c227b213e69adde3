"""Recognise problems that are used to measure and never to learn: test sets, by name and by question.

A run's settings name the set of its problems, and public test sets are also recognised by their questions, however
they are spelled and in whatever file they are.
"""

import hashlib
import re
import unicodedata
import zlib
from functools import cache, lru_cache
from importlib.resources import files

from critique_graph.core.errors import InputError

_DIGITS = 12
"""Hexadecimal digits that are kept of a question's hash: two different questions share them by chance once in 10^11."""
_KEPT = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]|[-+*/^=<>%]")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|text|mathrm|quad|qquad)(?![A-Za-z])|\\(?=[dt]frac)[\\dt]?")
_DASHES = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*"})


def question_key(question: str) -> str:
    """Give a text that two questions share if they differ only in case, spaces, punctuation or LaTeX layout."""
    text = unicodedata.normalize("NFKC", question).translate(_DASHES).casefold()
    return "".join(_KEPT.findall(_LAYOUT.sub("", text)))


def fingerprint(question: str) -> str:
    """Give the hash of a question as it stands in `test_questions.txt`."""
    return hashlib.sha256(question_key(question).encode()).hexdigest()[:_DIGITS]


@lru_cache(maxsize=1024)  # several rows of training data have one question
def public_test_set(question: str) -> str | None:
    """Give the name of the public test set that a question belongs to; None for every other question."""
    from critique_graph.miniature.annotator import read_exercise
    from critique_graph.miniature.task import split_of

    if (name := _fingerprints().get(fingerprint(question))) is not None:
        return name
    exercise = read_exercise(" ".join(question.split()))
    return None if exercise is None or split_of(exercise.operations) != "test" else "the miniature's test split"


def is_test_set(spec: str) -> bool:
    """Tell whether the problems of a run, by the name that its settings record, are there to measure.

    Such are the miniature as `run` reads it, a split `test` of the hub (the default), and what self-improvement and
    `train critic-rl` measure on.
    """
    if spec.startswith("hf:"):
        return spec.count(":") < 3 or _names_test_split(spec)
    return spec in (
        "miniature",
        "validation problems of self-improvement",
        "test problems of self-improvement",
        "held-out problems of critic-rl",
    )


def refuse_test_split(spec: str) -> None:
    """Raise `InputError` if the name of a set to learn from names a test split."""
    if _names_test_split(spec):
        raise InputError(f"{spec}: a test split makes no training data; name the one for training.")


def refuse_test_question(problem: str, question: str) -> None:
    """Raise `InputError` if a problem to learn from is a question of a public test set."""
    if (name := public_test_set(question)) is not None:
        raise InputError(f"problem {problem!r} is a question of {name}: it makes no training data. Remove it.")


def is_held_out(problem: str) -> bool:
    """Tell by a problem's id whether it is in the held-out tenth, which is used to measure and never to learn."""
    return zlib.crc32(problem.encode()) % 10 == 0


def _names_test_split(spec: str) -> bool:
    split = spec.split(":", 3)[3] if spec.startswith("hf:") and spec.count(":") >= 3 else ""
    return "test" in re.split(r"[^a-z]+", split.casefold())


@cache
def _fingerprints() -> dict[str, str]:
    """Read the index: a line that begins with `#` names a set, and every other line is the hash of a question."""
    found: dict[str, str] = {}
    name = ""
    for line in files("critique_graph.problems").joinpath("test_questions.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            name = line.removeprefix("#").split(";")[0].strip()
        else:
            found[line] = name
    return found
