"""How well a critic judges: correct verdicts, helpful and harmful critiques, first errors found."""

from collections.abc import Mapping, Sequence
from itertools import compress

from critique_graph.core.schema import Record, Verdict
from critique_graph.metrics.intervals import Rate, wilson

NO_ERROR = -1
"""Label of a response without a wrong step, and prediction of a critic that finds none (ProcessBench)."""


def accuracy(outcomes: Sequence[bool]) -> Rate:
    """Share of correct answers, with Wilson's interval; no value without data."""
    return wilson(sum(outcomes), len(outcomes))


def helpfulness(before: Sequence[bool], after: Sequence[bool]) -> Rate:
    """Share of the wrong answers that became correct (wrong → correct); no value if none was wrong."""
    _check_paired(before, after)
    return accuracy([now for was, now in zip(before, after, strict=True) if not was])


def harm(before: Sequence[bool], after: Sequence[bool]) -> Rate:
    """Share of the correct answers that became wrong (correct → wrong); no value if none was correct."""
    _check_paired(before, after)
    return accuracy([not now for now in compress(after, before)])


class CriticScore(Record):
    """The critic's verdicts on graded responses, and its discriminability: how many verdicts agree with the grade.

    Discriminability is counted in two ways, because published figures differ: a critique without a verdict counts as
    disagreeing (Critique-RL's reward), or is left out (`of_parsed`; Critique-RL's evaluation).
    """

    right_called_correct: int
    right_called_wrong: int
    right_unparsed: int
    wrong_called_correct: int
    wrong_called_wrong: int
    wrong_unparsed: int
    discriminability: Rate
    discriminability_on_right: Rate
    discriminability_on_wrong: Rate
    discriminability_of_parsed: Rate
    discriminability_of_parsed_on_right: Rate
    discriminability_of_parsed_on_wrong: Rate


def discriminability(verdicts: Mapping[tuple[bool, Verdict | None], int]) -> CriticScore:
    """Count how many verdicts agree with the grades.

    Args:
        verdicts: Number of responses for each pair: whether the response is correct, and the verdict on it.
    """
    right = {verdict: verdicts.get((True, verdict), 0) for verdict in ("correct", "wrong", None)}
    wrong = {verdict: verdicts.get((False, verdict), 0) for verdict in ("correct", "wrong", None)}
    hits_on_correct, hits_on_wrong = right["correct"], wrong["wrong"]
    hits, all_correct, all_wrong = hits_on_correct + hits_on_wrong, sum(right.values()), sum(wrong.values())
    return CriticScore(
        right_called_correct=hits_on_correct,
        right_called_wrong=right["wrong"],
        right_unparsed=right[None],
        wrong_called_correct=wrong["correct"],
        wrong_called_wrong=hits_on_wrong,
        wrong_unparsed=wrong[None],
        discriminability=wilson(hits, all_correct + all_wrong),
        discriminability_on_right=wilson(hits_on_correct, all_correct),
        discriminability_on_wrong=wilson(hits_on_wrong, all_wrong),
        discriminability_of_parsed=wilson(hits, all_correct - right[None] + all_wrong - wrong[None]),
        discriminability_of_parsed_on_right=wilson(hits_on_correct, all_correct - right[None]),
        discriminability_of_parsed_on_wrong=wilson(hits_on_wrong, all_wrong - wrong[None]),
    )


class FirstErrors(Record):
    """How often a critic finds the first wrong step, by the protocol of ProcessBench (arXiv 2412.06559, section 4)."""

    on_erroneous: Rate
    """Share of the responses with a wrong step for which exactly the first wrong step is named."""
    on_correct: Rate
    """Share of the responses without a wrong step for which none is named."""
    f1: Rate
    """Harmonic mean of the two; its interval, rather wide, joins the means of both lower and both upper ends."""
    exact: Rate
    """Share of all responses that are judged as labelled, whatever the proportion of erroneous ones."""


def first_errors(predicted: Sequence[int | None], labels: Sequence[int]) -> FirstErrors:
    """Score predictions of the first wrong step.

    F1 has no value unless there are responses of both kinds, and is 0.0 if no response of one kind is judged as
    labelled.

    Args:
        predicted: 0-based index of the first wrong step, `NO_ERROR` for none; None if no prediction can be read, which
            is never correct.
        labels: The true index for each response, or `NO_ERROR`.

    Raises:
        ValueError: The two are not about the same responses.
    """
    if len(predicted) != len(labels):
        raise ValueError(f"predicted and labels must be of the same responses, got {len(predicted)} and {len(labels)}.")
    hits = [found == label for found, label in zip(predicted, labels, strict=True)]
    is_erroneous = [label != NO_ERROR for label in labels]
    on_erroneous = accuracy(list(compress(hits, is_erroneous)))
    on_correct = accuracy([hit for hit, erroneous in zip(hits, is_erroneous, strict=True) if not erroneous])
    return FirstErrors(
        on_erroneous=on_erroneous,
        on_correct=on_correct,
        f1=Rate(
            value=_harmonic_mean(on_erroneous.value, on_correct.value),
            low=_harmonic_mean(on_erroneous.low, on_correct.low),
            high=_harmonic_mean(on_erroneous.high, on_correct.high),
            n=len(hits),
        ),
        exact=accuracy(hits),
    )


def _harmonic_mean(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    return 2 * a * b / (a + b) if a + b else 0.0


def _check_paired(before: Sequence[bool], after: Sequence[bool]) -> None:
    if len(before) != len(after):
        raise ValueError(f"before and after must be of the same problems, got {len(before)} and {len(after)}.")
