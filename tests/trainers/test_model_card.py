from pathlib import Path

from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.trainers.model_card import Training, model_card
from critique_graph.trainers.settings import TrainSettings


def training(located_before: Rate | None = None, located_after: Rate | None = None) -> Training:
    return Training(
        task="step-critic",
        rows=7,
        dropped={"too_many": 2},
        loss_first=0.7,
        loss_last=0.5,
        losses=[0.7, 0.5],
        steps=4,
        tokens=1_500,
        seconds=2.4,
        device="cpu",
        start="miniature:critic",
        model="hf:out",
        before=None,
        after=None,
        located_before=located_before,
        located_after=located_after,
    )


def test_card_says_what_was_learned_and_how() -> None:
    card = model_card(training(), Path("runs/data"), TrainSettings(lora_rank=4))
    assert card.startswith("# step-critic trained from miniature:critic\n")
    assert "7 rows of runs/data (left out: 2 too_many) in 4 optimizer" in card
    assert "| `lora_rank` | 4 |" in card
    assert "## Before and after" not in card


def test_card_of_a_step_critic_says_how_often_it_found_the_first_wrong_step() -> None:
    card = model_card(training(wilson(1, 4), wilson(2, 4)), Path("runs/data"), TrainSettings())
    assert "On 4 responses to held-out problems" in card
    assert f"{wilson(1, 4).percent()} of the cases before" in card


def test_card_has_no_figures_where_no_problem_was_held_out() -> None:
    card = model_card(training(wilson(0, 0), wilson(0, 0)), Path("runs/data"), TrainSettings())
    assert "## Before and after" not in card
