"""A critic's reinforcement with TRL's `GRPOTrainer` or `RLOOTrainer`: the two stages, and what ends a training early.

Only the stable trainers and their reward functions are used. The first stage rewards verdicts, the second refinements
(Critique-RL, arXiv 2510.24320). Departures from it, all ours: one run of the trainer plays both stages, so that the KL
divergence is measured from the same start model in both; the learning rate is constant; the rewards (`rewards.py`).
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from critique_graph.core.errors import CritiqueGraphError, first_line
from critique_graph.trainers.critic_rl_record import StepFigures
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.rewards import DISAGREES, Refine, discriminability, helpfulness
from critique_graph.trainers.rows import ResponseRow
from critique_graph.trainers.settings import Estimator, ReinforcementSettings
from critique_graph.trainers.trainer import (
    DivergedError,
    SFTResult,
    SFTSettings,
    arguments,
    configured,
    run_trainer,
    trainer_parts,
)

STALLED_STEPS = 5
"""Number of optimizer steps in a row without anything to learn, or with a collapsed entropy, that end a training."""
COLLAPSED = 0.02
"""Share of the entropy of the first steps below which the entropy counts as collapsed."""
MIN_ROOM = 16
"""Fewest tokens that the context must leave for a critique."""
_NO_PROBABILITIES = "probability tensor contains"
"""What torch says when it draws from weights that are no finite numbers."""

ESTIMATORS: dict[Estimator, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "grpo": (GRPOTrainer, GRPOConfig),
    "rloo": (RLOOTrainer, RLOOConfig),
}
Reward = Callable[..., Any]


class NothingToLearnError(CritiqueGraphError):
    """The critiques of a response are all rewarded alike, step after step, or are all the same text."""


class RewardError(CritiqueGraphError):
    """A reward could not be computed, or took too long."""


def train_critic_rl(
    rows: Sequence[ResponseRow],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    refine: Refine,
    settings: SFTSettings,
    reinforcement: ReinforcementSettings,
    out: Path,
    checkpoints: Path,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_checkpoint: Callable[[int, Path], None] = lambda step, folder: None,
) -> tuple[SFTResult, list[StepFigures]]:
    """Train a critic in place by the rewards of its critiques, and save it in `out`.

    Args:
        rows: Responses to judge.
        model: Critic to train, as it was loaded from its files, which are also read for the KL divergence.
        tokenizer: Tokenizer with a chat template.
        refine: Has the actor refine responses in the second stage.
        settings: Settings of the trainer; `batch_size` counts critiques, `save_every` is the distance of checkpoints.
        reinforcement: Settings of the reinforcement.
        out: Folder in which the model is saved.
        checkpoints: Folder in which the state of the training is kept; the same call goes on from there.
        on_step: Called after every optimizer step.
        on_checkpoint: Called with the step and the folder of every checkpoint, and of the one from which it goes on.

    Returns:
        The record of the training, and the figures of every step.

    Raises:
        ValueError: A prompt leaves no room for a critique.
        NothingToLearnError: Rewards without variance, or a collapsed entropy, over `STALLED_STEPS` steps.
        RewardError: A reward failed or took too long.
        DivergedError: The loss is no longer a finite number.
    """
    watch = LearningWatch(reinforcement)
    critique_tokens = min(reinforcement.critique_tokens, _room(rows, model, tokenizer))

    def trainer(folder: str) -> Any:
        common = arguments(settings, folder, keeps_state=True)
        del common["max_length"]  # prompts are not cut
        common |= {
            "lr_scheduler_type": "constant",
            "lr_scheduler_kwargs": None,
            "train_sampling_strategy": "random",
            "include_num_input_tokens_seen": "no",  # these trainers count by themselves
            "num_generations": reinforcement.generations,
            "max_completion_length": critique_tokens,
            "temperature": reinforcement.temperature,
            "beta": reinforcement.beta,
        }
        if reinforcement.vllm_server is not None:
            common |= {
                "use_vllm": True,
                "vllm_mode": "server",
                "vllm_server_base_url": reinforcement.vllm_server,
            }
        create, configuration = ESTIMATORS[reinforcement.estimator]
        dataset = Dataset.from_list([dict(row) for row in rows])
        parts = trainer_parts(model, tokenizer, dataset, settings, on_step)
        parts["callbacks"] += [watch, OnCheckpoint(on_checkpoint)]
        return create(
            args=configured(configuration, **common), reward_funcs=staged_rewards(refine, reinforcement), **parts
        )

    try:
        result = run_trainer(trainer, settings, tokenizer, rows=len(rows), out=out, checkpoints=checkpoints)
    except RuntimeError as error:
        if _NO_PROBABILITIES not in str(error):
            raise
        raise DivergedError("the weights are no longer finite numbers: lower the learning rate.") from error
    return result, watch.figures


def staged_rewards(refine: Refine, reinforcement: ReinforcementSettings) -> list[Reward]:
    """Give the rewards of both stages; TRL leaves out a reward that is None, as each is outside its stage."""
    first = reinforcement.discriminability_steps

    async def verdicts(completions: Sequence[Any], **columns: Any) -> list[float]:
        return discriminability(completions, **columns)

    def limited(reward: Reward, name: str, *, is_second: bool) -> Reward:
        @functools.wraps(reward)
        async def staged(
            completions: Sequence[Any], *, trainer_state: TrainerState, **columns: Any
        ) -> Sequence[float | None]:
            if (trainer_state.global_step >= first) != is_second:
                return [None] * len(completions)
            try:
                async with asyncio.timeout(reinforcement.reward_timeout):
                    return list(await reward(completions, **columns))
            except CritiqueGraphError:
                raise
            except TimeoutError as error:
                raise RewardError(
                    f"the reward {name} took more than {reinforcement.reward_timeout:g} s at step "
                    f"{trainer_state.global_step}: raise --reward-timeout, or see why the partner is slow."
                ) from error
            except Exception as error:  # the boundary: whatever a reward raises ends the training in one line
                raise RewardError(
                    f"the reward {name} failed at step {trainer_state.global_step}: {first_line(error)}"
                ) from error

        staged.__name__ = name  # TRL's figures are called after it
        return staged

    return [
        limited(verdicts, discriminability.__name__, is_second=False),
        limited(functools.partial(helpfulness, refine=refine), helpfulness.__name__, is_second=True),
    ]


def _room(rows: Sequence[ResponseRow], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Give the number of tokens that the context leaves for a critique after the longest prompt."""
    prompts = tokenizer.apply_chat_template([row["prompt"] for row in rows], add_generation_prompt=True, tokenize=False)
    longest = max(len(ids) for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"])
    context = int(model.config.get_text_config().max_position_embeddings)
    if context - longest < MIN_ROOM:
        raise ValueError(
            f"the longest prompt has {longest} tokens, which leaves no room for a critique in the model's context of "
            f"{context}: lower --max-tokens, or take a model with a longer context."
        )
    return context - longest


class LearningWatch(TrainerCallback):
    """Ends a training in which nothing is learned: otherwise a critic that is sure of itself has a loss of 0, silently.

    It reads the trainer's own log, so a resumed training knows its earlier steps.
    """

    def __init__(self, reinforcement: ReinforcementSettings) -> None:
        self.figures: list[StepFigures] = []
        """Figures of every step so far."""
        self._settings = reinforcement

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._read(state)  # of the steps before the checkpoint from which a training goes on

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        if not logs or "frac_reward_zero_std" not in logs:
            return
        if not isfinite(float(logs.get("grad_norm", 0.0))):
            raise DivergedError(
                f"the gradient is no finite number at step {state.global_step}: lower the learning rate."
            )
        self._read(state)
        self._check()

    def _read(self, state: TrainerState) -> None:
        self.figures = [
            StepFigures.of(entry, reinforcement=self._settings)
            for entry in state.log_history
            if "frac_reward_zero_std" in entry
        ]

    def _check(self) -> None:
        """Raise `NothingToLearnError` if the last steps had nothing to learn from, or the entropy has collapsed."""
        last = self.figures[-STALLED_STEPS:]
        if len(last) < STALLED_STEPS:
            return
        place = f"in steps {last[0].step} to {last[-1].step}"
        entropy = fmean(figures.entropy for figures in last)
        if all(figures.groups_without_variance == 1.0 for figures in last):
            said = (
                f"{place}, all {self._settings.generations} critiques of every response had the same reward (mean "
                f"{fmean(figures.reward for figures in last):.2f}, entropy {entropy:.4f}), so there is nothing to learn"
            )
            if all(figures.reward == DISAGREES for figures in last):
                raise NothingToLearnError(
                    f"{said}: no critique is readable and has the correct verdict. Train the start model with `train "
                    "critic` first, or raise --critique-tokens if critiques are cut off."
                )
            raise NothingToLearnError(
                f"{said}: raise --temperature (now {self._settings.temperature:g}), start from a weaker critic, or "
                "take harder problems."
            )
        begun = fmean(figures.entropy for figures in self.figures[:STALLED_STEPS])
        if len(self.figures) > STALLED_STEPS and all(figures.entropy < COLLAPSED * begun for figures in last):
            raise NothingToLearnError(
                f"{place}, the entropy of the critiques has collapsed to {entropy:.5f}, from {begun:.5f} at the "
                f"beginning: they are nearly all the same text. Raise --beta (now {self._settings.beta:g}), or lower "
                "--learning-rate."
            )


class OnCheckpoint(TrainerCallback):
    """Calls a function for every checkpoint, and first for the one from which a training goes on."""

    def __init__(self, call: Callable[[int, Path], None]) -> None:
        self._call = call

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if state.global_step > 0:
            self.on_save(args, state, control)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        self._call(state.global_step, Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
