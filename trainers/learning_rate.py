"""The learning rate of a training where none is given, by the number of the model's weights."""

from collections.abc import Callable
from math import log

from critique_graph.trainers.settings import TrainSettings

FULL, ADAPTER = (1e-4, 5e-6), (1e-3, 1e-4)
"""Rates of models with `SMALL` weights or fewer, and with `LARGE` weights or more."""
SMALL, LARGE = 10_000_000, 1_000_000_000


def default_learning_rate(weights: int, *, is_adapter: bool, is_reinforcement: bool = False) -> float:
    """Give the peak learning rate for a model of this size.

    From 1 billion weights, it is 5e-6, as in the paper's scripts, which train 8 billion, or 1e-4 for adapters, which is
    ours. Up to 10 million, it was measured on the miniature (docs/results.md, "Train"). In between, it lies on a
    straight line in the logarithms of weights and rate, which is ours. Reinforcement has a tenth of it: for 8 billion
    weights 5e-7, as in Critique-RL (arXiv 2510.24320).
    """
    small, large = ADAPTER if is_adapter else FULL
    share = log(min(max(weights, SMALL), LARGE) / SMALL) / log(LARGE / SMALL)
    rate = small * (large / small) ** share
    return float(f"{rate / 10 if is_reinforcement else rate:.1e}")


def learning_rate_of(
    settings: TrainSettings, weights: int, *, on_note: Callable[[str], None], is_reinforcement: bool = False
) -> float:
    """Give the peak learning rate of a training, and say what it is: the one of the settings, or else the default."""
    if settings.learning_rate is not None:
        on_note(f"learning rate {settings.learning_rate:g}")
        return settings.learning_rate
    rate = default_learning_rate(weights, is_adapter=settings.lora_rank is not None, is_reinforcement=is_reinforcement)
    on_note(f"learning rate {rate:g}, the default for {weights:,} weights")
    return rate
