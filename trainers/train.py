"""One training, from rows to a usable model: start, resume, evaluation before and after, card.

OUT/                 the model, its tokenizer and its card: use it as `hf:OUT` or `vllm:OUT`
OUT/training/        rows/, settings.json, plan.json, evaluation/, result.json; while the training runs, checkpoints and
                     encoded/, the rows as tokens
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from shutil import rmtree
from typing import Any, cast

import torch
from accelerate.utils import find_executable_batch_size
from jinja2 import TemplateError
from pydantic import JsonValue
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, PreTrainedTokenizerBase

from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.engines.accelerators import find_accelerator
from critique_graph.engines.plain_template import give_template, is_plain
from critique_graph.engines.pretrained import load_config, load_tokenizer
from critique_graph.engines.processes import find_processes
from critique_graph.engines.transformers_engine import without_progress_bar
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.metrics.intervals import Rate
from critique_graph.models.load import load_model
from critique_graph.output.cards import CARD
from critique_graph.problems.load import load_problems
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import Summary, summarise
from critique_graph.trainers.encoded import first_process_first
from critique_graph.trainers.learning_rate import learning_rate_of
from critique_graph.trainers.model_card import Training, model_card, weights_text
from critique_graph.trainers.objectives import label_weights, trainer_of
from critique_graph.trainers.plan import TrainingPlan
from critique_graph.trainers.planner import fewer_rows, plan_training
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.quantized import load_trainable
from critique_graph.trainers.rows import LABELLED, PREFERENCES, AnyRow, Rows, StepRow, Task
from critique_graph.trainers.settings import LAUNCH, TrainSettings
from critique_graph.trainers.step_critic import StepCritic, check_no_adapters, load_start, located
from critique_graph.trainers.trainer import SFTResult, SFTSettings, check_optimizer
from critique_graph.trainers.training_folder import (
    CHECKPOINTS,
    ENCODED,
    FOLDER,
    PLAN,
    RESULT,
    ROWS,
    claim,
    start_weights,
)
from critique_graph.trainers.training_rows import (
    SelectedRows,
    read_selected,
    rows_to_learn,
    rows_to_measure,
    select_rows,
)

logger = logging.getLogger(__name__)

CRITICS: tuple[Task, ...] = ("critic", "critic-preference", "critic-kto")
CURVE_POINTS = 20
"""Approximate number of points of the loss curve."""


def run_training(
    task: Task,
    data: Path,
    start: str,
    out: Path,
    settings: TrainSettings,
    *,
    on_note: Callable[[str], None] = lambda text: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> Training:
    """Train a model for a task and save it in `out`; the same call resumes, or gives the earlier result.

    Args:
        task: Task to learn.
        data: A data set of `generate`, traces of `run`, released data, labelled steps, or a file of exported rows, of
            which all are learned.
        start: Model from which training starts: `hf:NAME_OR_PATH`, `miniature:actor` or `miniature:critic`.
        out: Folder of the trained model.
        settings: Settings of the training.
        on_note: Called before the training with lines that say what it is expected to take, and its learning rate.
        on_step: Called after every optimizer step.

    With `accelerate launch` or `torchrun`, every process calls this function: the processes share each batch, and only
    the first one writes files.

    Raises:
        InputError: The data hold no rows, or rows that are too long; the tokenizer can have no chat template; `out`
            holds another training.
        DivergedError: The loss is no longer a finite number.
        MissingDependencyError: An extra that the training needs is not installed.
    """
    processes = find_processes()
    source, sft = start_weights(start), sft_settings(settings, processes=processes.count)
    if settings.eval is not None and processes.count > 1:
        raise InputError(
            "--eval plays the loop in one process: leave it out here, and measure with `critique-graph run`."
        )
    if settings.eval is not None and settings.partner is None:
        raise InputError("--eval needs --partner, the model of the other role.")
    if task == "step-critic" and settings.eval is not None:
        raise InputError(
            "--eval plays the loop, which has no step critic: leave it out; held-out problems measure the step critic."
        )
    folder = out / FOLDER
    result = folder / RESULT
    with first_process_first():
        if processes.is_first:
            chosen = settings.model_dump(mode="json", exclude={"report_to", *LAUNCH})
            claim(out, {"task": task, "data": str(data), "model": start, **chosen})
            if not result.is_file():
                select_rows(task, data, folder, settings)
    if result.is_file():
        return Training.model_validate_json(result.read_bytes())
    selected = read_selected(folder)
    before = _evaluated(task, start, folder / "evaluation" / "before", settings)
    tokenizer = load_tokenizer(source)
    if task != "step-critic":
        give_template(tokenizer, start)
    learned = rows_to_learn(folder, selected)
    if (weights := label_weights(task, learned, settings)) is not None:
        on_note(f"labels weigh in the loss: {weights_text(weights)}")
    plan = _plan(task, learned, source, tokenizer, folder, settings, sft)
    on_note(plan.describe())
    if processes.count == 1 and settings.devices is None and (visible := torch.accelerator.device_count()) > 1:
        on_note(f"1 of {visible} devices is used: --devices auto takes all of them")
    sft = replace(sft, learning_rate=learning_rate_of(settings, plan.parameters, on_note=on_note))
    with without_progress_bar():
        train = trainer_of(task, is_balanced=weights is not None)
        training = _fit(task, train, selected, source, tokenizer, out, sft, plan, on_step, start=start)
    template = "plain" if task != "step-critic" and is_plain(tokenizer) else "model"
    after = _evaluated(task, training.model, folder / "evaluation" / "after", settings)
    training = training.model_copy(
        update={"before": before, "after": after, "label_weights": weights, "template": template}
    )
    if not processes.is_first:
        return training
    write_atomically(out / CARD, [model_card(training, data, settings).encode()])
    write_atomically(result, [training.model_dump_json(indent=2).encode()])
    for name in (CHECKPOINTS, ENCODED):
        rmtree(folder / name, ignore_errors=True)
    return training


def sft_settings(settings: TrainSettings, *, processes: int = 1) -> SFTSettings:
    """Turn the settings of `train` into those of the trainer; its learning rate needs the model's size, too.

    Raises:
        InputError: The processes cannot share the batch equally.
    """
    at_once = settings.rows_at_once or max(1, settings.batch_size // processes)
    if settings.batch_size % (at_once * processes):
        many = f" times the {processes} processes" if processes > 1 else ""
        raise InputError(f"--batch-size {settings.batch_size} is no multiple of --rows-at-once {at_once}{many}.")
    return SFTSettings(
        batch_size=settings.batch_size,
        rows_at_once=settings.rows_at_once,
        epochs=settings.epochs,
        max_steps=settings.max_steps,
        warmup=0.0,  # as in the paper
        max_length=settings.max_length,
        optimizer=settings.optimizer or "adamw",
        lora_rank=settings.lora_rank,
        seed=settings.seed,
        save_every=100,
        report_to=settings.report_to,
    )


def trl_command(training: Training, out: Path, settings: TrainSettings) -> str:
    """Give the command of TRL for nearly the same training; TRL cuts rows at `max_length`."""
    sft = sft_settings(settings)
    at_once = training.plan.rows_at_once if training.plan else sft.batch_size
    adapters = f" --use_peft --lora_r {sft.lora_rank} --lora_alpha {2 * sft.lora_rank}" if sft.lora_rank else ""
    if settings.dtype == "nf4":
        adapters += " --load_in_4bit --use_bnb_nested_quant"
    rate = "" if training.learning_rate is None else f"--learning_rate {training.learning_rate:g} "
    device = " --use_cpu --bf16 false" if training.device == "cpu" else ""
    length = f"--max_steps {sft.max_steps}" if sft.max_steps else f"--num_train_epochs {sft.epochs:g}"
    verb = "dpo" if training.task in PREFERENCES else "kto" if training.task in LABELLED else "sft"
    weighed = "".join(f" --{name}_weight {weight:g}" for name, weight in (training.label_weights or {}).items())
    return (
        f"trl {verb} --model_name_or_path {start_weights(training.start)} --dataset_name {out / FOLDER / ROWS} "
        f"{rate}--lr_scheduler_type cosine --per_device_train_batch_size {at_once} "
        f"--gradient_accumulation_steps {sft.batch_size // at_once} {length} --seed {sft.seed} "
        f"--max_length {sft.max_length or 4096}{weighed}{adapters}{device} --output_dir {out}-trl"
    )


def _plan(
    task: Task,
    rows: Rows[AnyRow],
    source: str,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    settings: TrainSettings,
    sft: SFTSettings,
) -> TrainingPlan:
    """Decide how the training fits the device; a resumed training keeps the type of its weights and its optimizer."""
    file = folder / PLAN
    begun = TrainingPlan.model_validate_json(file.read_bytes()) if file.is_file() else None
    try:
        if task == "step-critic":
            check_no_adapters(settings.lora_rank)
        plan = plan_training(
            rows,
            load_config(source),
            tokenizer,
            sft if begun is None else replace(sft, optimizer=begun.optimizer),
            find_accelerator(),
            head=AutoModelForTokenClassification if task == "step-critic" else AutoModelForCausalLM,
            dtype=settings.dtype if begun is None else begun.dtype,
            checkpointing=settings.checkpointing,
            processes=find_processes(),
        )
        check_optimizer(plan.optimizer)
    except ValueError as error:
        raise InputError(str(error)) from error
    if find_processes().is_first:
        write_atomically(file, [plan.model_dump_json(indent=2).encode()])
    return plan


def _fit(
    task: Task,
    train: Callable[..., SFTResult],
    selected: SelectedRows,
    source: str,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    sft: SFTSettings,
    plan: TrainingPlan,
    on_step: Callable[[StepReport], None],
    *,
    start: str,
) -> Training:
    """Load the start model, train it and save it; with fewer rows at once where memory does not do after all."""
    steps = sft.max_steps or ceil(selected.rows / sft.batch_size * sft.epochs)
    found: list[Rate | None] = [None, None]
    held_out = cast(Rows[StepRow], rows_to_measure(out / FOLDER, selected))
    rows_at_once = plan.rows_at_once

    def fit(at_once: int) -> SFTResult:
        if task == "step-critic":
            torch.manual_seed(sft.seed)
            model = load_start(source, getattr(torch, plan.dtype))
            found[0] = located(StepCritic(cast(Any, model).eval(), tokenizer), held_out)
        else:
            model = load_trainable(source, plan.dtype)
        return train(
            rows_to_learn(out / FOLDER, selected),
            model=model,
            tokenizer=tokenizer,
            settings=replace(
                sft,
                rows_at_once=at_once,
                optimizer=plan.optimizer,
                checkpointing=plan.checkpointing,
                log_every=max(1, steps // CURVE_POINTS),
            ),
            out=out,
            checkpoints=out / FOLDER / CHECKPOINTS,
            encoded_in=out / FOLDER / ENCODED,
            on_step=on_step,
        )

    def fewer() -> int:
        nonlocal rows_at_once
        if rows_at_once == 1 or find_processes().count > 1:  # the other processes wait for this one
            raise InputError(f"out of memory with {rows_at_once} rows at once. {plan.advice()}")
        tried, rows_at_once = rows_at_once, fewer_rows(sft.batch_size, rows_at_once)
        logger.warning("out of memory with %d rows at once: now %d", tried, rows_at_once)
        return rows_at_once

    try:
        result = find_executable_batch_size(fit, rows_at_once, fewer)()
    except (ValueError, TemplateError) as error:
        raise InputError(str(error)) from error
    if task == "step-critic" and find_processes().is_first:
        found[1] = located(StepCritic.load(out), held_out)
    return Training(
        task=task,
        rows=result.rows,
        dropped=dict(selected.dropped),
        test_sets=selected.test_sets,
        loss_first=result.losses[0],
        loss_last=result.losses[-1],
        losses=result.losses,
        learning_rate=result.learning_rate,
        steps=result.steps,
        tokens=result.tokens,
        seconds=round(result.seconds, 1),
        device=result.device,
        plan=plan.model_copy(update={"rows_at_once": rows_at_once}),
        start=start,
        model=f"hf:{out}",
        before=None,
        after=None,
        located_before=found[0],
        located_after=found[1],
    )


def _evaluated(task: Task, model: str, folder: Path, settings: TrainSettings) -> Summary | None:
    """Run one greedy round with the model in its role; continues an evaluation that was interrupted."""
    if settings.eval is None or settings.partner is None:
        return None
    actor, critic = (settings.partner, model) if task in CRITICS else (model, settings.partner)
    recorded: dict[str, JsonValue] = {
        "problems": settings.eval,
        "actor": actor,
        "critic": critic,
        "seed": settings.seed,
    }
    problems = list(load_problems(settings.eval, limit=settings.eval_limit, seed=settings.seed))
    return wait_for(
        run_graph(
            lambda journal: create_actor_critic(
                load_model(actor), load_model(critic), temperature=0.0, seed=settings.seed, log=journal
            ).compile(name="actor_critic"),
            ProblemSet.of(problems),
            folder,
            recorded,
            summarise,
            prompts=prompts_hash(loop_prompts()),
        )
    )
