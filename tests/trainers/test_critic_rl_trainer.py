"""The stages of a critic's reinforcement, and what ends it early, without a training."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from fakes import critique_text, solution
from shipped import shipped_tokenizer
from transformers import AutoModelForCausalLM, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.utils import get_callable_name, is_async_callable

from critique_graph.miniature import weights_path
from critique_graph.nodes.critique import critique_messages
from critique_graph.trainers.critic_rl_record import StepFigures, intervals
from critique_graph.trainers.critic_rl_trainer import (
    ESTIMATORS,
    STALLED_STEPS,
    LearningWatch,
    NothingToLearnError,
    RewardError,
    staged_rewards,
    train_critic_rl,
)
from critique_graph.trainers.refiner import RefinerError
from critique_graph.trainers.rewards import Attempt, Refine
from critique_graph.trainers.rows import ResponseRow, as_messages
from critique_graph.trainers.settings import Estimator, ReinforcementSettings
from critique_graph.trainers.trainer import DivergedError, SFTSettings

WRONG = solution(8, "3 + 4 = 8.")
CRITIQUE = critique_text("Wrong", ("3 + 4 = 8.", "Wrong"))
ROW = {
    "problem": ["p"],
    "chain": [0],
    "question": ["3 + 4?"],
    "response": [WRONG],
    "reference": ["7"],
    "is_correct": [False],
}
SETTINGS = ReinforcementSettings(discriminability_steps=2, helpfulness_steps=8, temperature=1.5, reward_timeout=0.001)


async def helps(attempts: Sequence[Attempt]) -> list[float | None]:
    return [1.0] * len(attempts)


async def waits(attempts: Sequence[Attempt]) -> list[float | None]:
    await asyncio.Event().wait()
    return []


async def fails(attempts: Sequence[Attempt]) -> list[float | None]:
    raise KeyError("answer")


async def is_lost(attempts: Sequence[Attempt]) -> list[float | None]:
    raise RefinerError("the partner makes no refinements: it is gone.")


async def rewards_at(step: int, refine: Refine = helps) -> list[list[float | None]]:
    state = TrainerState(global_step=step)
    rewards = staged_rewards(refine, SETTINGS.model_copy(update={"reward_timeout": 60.0 if refine is helps else 0.001}))
    return [await reward(completions=[CRITIQUE], prompts=[""], trainer_state=state, **ROW) for reward in rewards]


async def test_stages_follow_each_other():
    assert [await rewards_at(step) for step in (0, 1, 2, 9)] == [[[1.0], [None]]] * 2 + [[[None], [1.2]]] * 2


def test_rewards_are_what_the_trainer_takes_them_for():
    rewards = staged_rewards(helps, SETTINGS)

    assert [get_callable_name(reward) for reward in rewards] == ["discriminability", "helpfulness"]
    assert all(is_async_callable(reward) for reward in rewards)


async def test_reward_that_takes_too_long_is_one_line():
    with pytest.raises(RewardError, match=r"helpfulness took more than 0\.001 s at step 5: raise --reward-timeout"):
        await rewards_at(5, waits)


async def test_reward_that_raises_is_one_line():
    with pytest.raises(RewardError, match=r"the reward helpfulness failed at step 5: 'answer'"):
        await rewards_at(5, fails)


async def test_lost_partner_is_named_as_such():
    with pytest.raises(RefinerError, match="it is gone"):
        await rewards_at(5, is_lost)


@pytest.mark.parametrize("estimator", ["grpo", "rloo"])
def test_trainer_gets_the_settings(estimator: Estimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given: dict[str, Any] = {}

    class Created(Exception):
        pass

    def create(**arguments: Any) -> None:
        given.update(arguments)
        raise Created

    monkeypatch.setitem(ESTIMATORS, estimator, (create, ESTIMATORS[estimator][1]))
    settings = ReinforcementSettings(
        estimator=estimator, generations=4, temperature=1.5, beta=0.02, vllm_server="http://127.0.0.1:9"
    )
    row: ResponseRow = {
        "prompt": as_messages(critique_messages("3 + 4?", WRONG)),
        "problem": "p",
        "chain": 0,
        "question": "3 + 4?",
        "response": WRONG,
        "reference": "7",
        "is_correct": False,
    }
    model = AutoModelForCausalLM.from_pretrained(weights_path("critic"))

    with pytest.raises(Created):
        train_critic_rl(
            [row],
            model=model,
            tokenizer=shipped_tokenizer(),
            refine=helps,
            settings=SFTSettings(batch_size=8, rows_at_once=4, max_steps=10, save_every=5, use_cpu=True),
            reinforcement=settings,
            out=tmp_path,
            checkpoints=tmp_path,
        )

    told = given["args"]
    assert (told.num_generations, told.temperature, told.beta, told.max_steps) == (4, 1.5, 0.02, 10)
    assert (told.per_device_train_batch_size, told.generation_batch_size, told.save_steps) == (4, 8, 5)
    assert (told.use_vllm, told.vllm_mode, told.vllm_server_base_url) == (True, "server", "http://127.0.0.1:9")
    assert told.max_completion_length < model.config.max_position_embeddings
    assert {name: given["train_dataset"][0][name] for name in row} == row


def entry(step: int, **figures: float) -> dict[str, Any]:
    return {
        "step": step,
        "loss": 0.0,
        "reward": 0.5,
        "reward_std": 0.1,
        "frac_reward_zero_std": 0.5,
        "entropy": 1.0,
        "said_wrong": 0.5,
        "unreadable": 0.0,
        "leaks": 0.0,
        "completions/mean_length": 10.0,
        "completions/clipped_ratio": 0.0,
        "step_time": 2.0,
        **figures,
    }


def watched(*entries: dict[str, Any], tmp_path: Path) -> LearningWatch:
    """Show a log to the watch, entry by entry, as the trainer does."""
    state, watch = TrainerState(), LearningWatch(SETTINGS)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    for found in entries:
        state.global_step = found["step"]
        state.log_history.append(found)
        watch.on_log(arguments, state, TrainerControl(), logs=found)
    return watch


def test_training_goes_on_while_some_group_has_variance(tmp_path: Path):
    stalled = [entry(step, frac_reward_zero_std=1.0) for step in range(1, STALLED_STEPS)]

    watch = watched(
        *stalled, entry(STALLED_STEPS), entry(STALLED_STEPS + 1, frac_reward_zero_std=1.0), tmp_path=tmp_path
    )

    assert len(watch.figures) == STALLED_STEPS + 1


def test_rewards_without_variance_end_the_training_and_say_what_to_change(tmp_path: Path):
    stalled = [entry(step, frac_reward_zero_std=1.0, reward=1.0) for step in range(3, 3 + STALLED_STEPS)]

    with pytest.raises(
        NothingToLearnError,
        match=r"in steps 3 to 7, all 8 critiques of every response had the same reward \(mean 1\.00, entropy 1\.0000\)"
        r".*raise --temperature \(now 1\.5\), start from a weaker critic, or take harder problems",
    ):
        watched(entry(1), entry(2), *stalled, tmp_path=tmp_path)


def test_critic_that_writes_nothing_readable_is_told_to_learn_the_format_first(tmp_path: Path):
    stalled = [entry(step, frac_reward_zero_std=1.0, reward=-1.0) for step in range(STALLED_STEPS)]

    with pytest.raises(NothingToLearnError, match="Train the start model with `train critic` first"):
        watched(*stalled, tmp_path=tmp_path)


def test_collapsed_entropy_ends_the_training_and_says_what_to_change(tmp_path: Path):
    begun = [entry(step, entropy=0.5) for step in range(STALLED_STEPS)]
    collapsed = [entry(STALLED_STEPS + step, entropy=0.009) for step in range(STALLED_STEPS)]

    with pytest.raises(
        NothingToLearnError, match=r"collapsed to 0\.00900, from 0\.50000 at the beginning.*Raise --beta \(now 0\.01\)"
    ):
        watched(*begun, *collapsed, tmp_path=tmp_path)


def test_gradient_that_is_no_number_ends_the_training(tmp_path: Path):
    with pytest.raises(DivergedError, match="no finite number at step 4: lower the learning rate"):
        watched(entry(4, grad_norm=float("nan")), tmp_path=tmp_path)


def test_no_interval_of_the_curve_is_in_both_stages():
    figures = [StepFigures.of(entry(step, reward=step), reinforcement=SETTINGS) for step in range(1, 8)]

    parts = intervals(figures, 4)

    assert [(part.step, part.stage, part.reward, part.kl) for part in parts] == [
        (2, "discriminability", 1.5, None),
        (6, "helpfulness", 4.5, None),
        (7, "helpfulness", 7.0, None),
    ]
