"""One verdict of several critiques of a response, and the critique that stands for all of them.

A rule is the least share of the readable verdicts that has to say wrong:

    any_wrong  one is enough    majority  0.5    all_wrong  1    threshold:P  P

So half of the verdicts, a tie, are `wrong` under `majority`. A critique without a readable verdict does not vote; where
none is readable, there is no verdict. `any_wrong` is pessimistic verification (arXiv 2511.21522).
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import AfterValidator

from critique_graph.core.schema import Failure, Judgement, Round, Verdict

MAJORITY = "majority"
SEVERAL_TEMPERATURE = 0.7
"""Sampling temperature of several critiques, which would be the same at 0."""
_LEAST_SHARES = {"any_wrong": 0.0, MAJORITY: 0.5, "all_wrong": 1.0}
_THRESHOLD = "threshold:"


def least_share(rule: str) -> float:
    """Give the share of the readable verdicts that has to say wrong under a rule.

    Raises:
        ValueError: There is no such rule.
    """
    if (known := _LEAST_SHARES.get(rule)) is not None:
        return known
    try:
        share = float(rule.removeprefix(_THRESHOLD)) if rule.startswith(_THRESHOLD) else 0.0
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("agree must be any_wrong, majority, all_wrong or threshold:P, P above 0 and at most 1")
    return share


def _checked(rule: str) -> str:
    least_share(rule)
    return rule


Agreement = Annotated[str, AfterValidator(_checked)]
"""Rule by which several critiques have one verdict: `any_wrong`, `majority`, `all_wrong` or `threshold:P`."""


def verdict_of(verdicts: Iterable[Verdict | None], rule: str) -> Verdict | None:
    """Make one verdict of several; None, the verdict that could not be read, does not vote.

    Raises:
        ValueError: There is no such rule.
    """
    readable = [verdict for verdict in verdicts if verdict is not None]
    if not readable:
        return None
    wrong = readable.count("wrong")
    return "wrong" if wrong and wrong >= least_share(rule) * len(readable) - 1e-9 else "correct"


def round_of(
    judgements: Sequence[Judgement], rule: str, *, failures: Sequence[Failure] = (), evidence: str = ""
) -> Round:
    """Make the round of all critiques of a response, of which there is at least one.

    The critique that stands for all has the rule's verdict. Of those that say wrong, it is the first that finds the
    error in a step of the response; if none does, and for any other verdict, it is the first.

    Args:
        judgements: The critiques that came.
        rule: The rule that makes one verdict of theirs.
        failures: Why others did not come.
        evidence: What the critic was told of the response's grade.

    Raises:
        ValueError: There is no such rule.
    """
    verdict = verdict_of((given.critique.final for given in judgements), rule)
    agreeing = [given for given in judgements if given.critique.final == verdict]
    located = [given for given in agreeing if verdict == "wrong" and given.critique.first_wrong_step is not None]
    chosen = (located or agreeing)[0]
    return Round(
        critique=chosen.critique,
        call=chosen.call,
        others=tuple(given for given in judgements if given is not chosen),
        failures=tuple(failures),
        evidence=evidence,
    )
