"""Learning rates by the number of weights, and what is said of them."""

import pytest

from critique_graph.trainers.learning_rate import default_learning_rate, learning_rate_of
from critique_graph.trainers.settings import TrainSettings


@pytest.mark.parametrize(
    ("weights", "full", "adapter"),
    [
        pytest.param(927_232, 1e-4, 1e-3, id="miniature"),
        pytest.param(10_000_000, 1e-4, 1e-3, id="10M"),
        pytest.param(100_000_000, 2.2e-5, 3.2e-4, id="half-way"),
        pytest.param(1_000_000_000, 5e-6, 1e-4, id="1B"),
        pytest.param(8_030_261_248, 5e-6, 1e-4, id="the paper's"),
    ],
)
def test_rate_falls_with_the_number_of_weights(weights: int, full: float, adapter: float) -> None:
    assert default_learning_rate(weights, is_adapter=False) == full
    assert default_learning_rate(weights, is_adapter=True) == adapter


def test_reinforcement_of_8_billion_weights_has_the_rate_of_critique_rl() -> None:
    assert default_learning_rate(8_000_000_000, is_adapter=False, is_reinforcement=True) == 5e-7
    assert default_learning_rate(8_000_000_000, is_adapter=True, is_reinforcement=True) == 1e-5


@pytest.mark.parametrize(
    ("settings", "rate", "said"),
    [
        (TrainSettings(), 1e-4, "learning rate 0.0001, the default for 927,232 weights"),
        (TrainSettings(lora_rank=4), 1e-3, "learning rate 0.001, the default for 927,232 weights"),
        (TrainSettings(learning_rate=5e-6), 5e-6, "learning rate 5e-06"),
    ],
)
def test_rate_that_is_given_is_kept_and_every_rate_is_said(settings: TrainSettings, rate: float, said: str) -> None:
    notes = list[str]()
    assert learning_rate_of(settings, 927_232, on_note=notes.append) == rate
    assert notes == [said]
