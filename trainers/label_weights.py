"""How much the labels of rows weigh in a loss, so that both kinds weigh alike in all."""

from collections import Counter

from critique_graph.trainers.rows import LabelledRow, Rows, StepRow

STEP_LABELS = {0: "wrong", 1: "right"}
"""Names of the labels of steps."""


def kto_weights(rows: Rows[LabelledRow]) -> dict[str, float]:
    """Give the weights of desirable and undesirable rows by which both kinds weigh alike in all (KTO paper, eq. 8).

    The more frequent kind has the weight 1.

    Raises:
        ValueError: There are no rows of one kind.
    """
    desirable = sum(row["label"] for row in rows)
    undesirable = len(rows) - desirable
    if not desirable or not undesirable:
        missing = "undesirable" if desirable else "desirable"
        raise ValueError(f"all {len(rows)} rows are of one kind: KTO also needs {missing} ones.")
    return {
        "desirable": max(1.0, undesirable / desirable),
        "undesirable": max(1.0, desirable / undesirable),
    }


def step_weights(rows: Rows[StepRow]) -> dict[str, float]:
    """Give the weights of the labels by which both kinds weigh alike in all: the inverse of twice their share.

    Raises:
        ValueError: There are no labels of one kind.
    """
    counts = Counter(bool(label) for row in rows for label in row["labels"])
    if len(counts) < len(STEP_LABELS):
        raise ValueError(f"all {counts.total()} labels are of one kind: there is nothing to balance.")
    return {name: counts.total() / (2 * counts[bool(label)]) for label, name in STEP_LABELS.items()}
