"""One critic by reinforcement, from problems to a usable model: responses, evaluations, the training, card.

OUT/                       the critic, its tokenizer and its card: use it as `hf:OUT` or `vllm:OUT`
OUT/training/              rows/, settings.json, checkpoints while the training runs, result.json
OUT/training/responses/    a run folder: the partner's responses to the problems
OUT/training/evaluation/   a run folder for every evaluation, `step-000050`, and its summary beside it
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import cast

import torch
from jinja2 import TemplateError
from langchain_core.language_models import BaseChatModel

from critique_graph.calls.caller import Caller
from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.role_model import RoleModel, read_role
from critique_graph.core.schema import Problem
from critique_graph.engines.plain_template import give_template
from critique_graph.engines.pretrained import load_tokenizer
from critique_graph.engines.processes import find_processes
from critique_graph.engines.transformers_engine import without_progress_bar
from critique_graph.models.roles import load_roles
from critique_graph.output.cards import CARD
from critique_graph.problems.held_out import is_held_out, question_key
from critique_graph.problems.load import load_problems
from critique_graph.problems.problem_set import ProblemSet, find_training_problems
from critique_graph.problems.settings import TrainingProblemSettings
from critique_graph.tasks.task import MATH
from critique_graph.trainers.critic_rl_evaluation import Evaluator
from critique_graph.trainers.critic_rl_record import Evaluation, Reinforcement, StepFigures, intervals
from critique_graph.trainers.critic_rl_trainer import NothingToLearnError, train_critic_rl
from critique_graph.trainers.learning_rate import learning_rate_of
from critique_graph.trainers.model_card import Training, reinforcement_card
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.quantized import load_trainable
from critique_graph.trainers.refiner import Refiner
from critique_graph.trainers.response_pool import sample_responses, select_responses
from critique_graph.trainers.rows import ResponseRow
from critique_graph.trainers.selection import Selected
from critique_graph.trainers.settings import ReinforcementSettings, TrainSettings
from critique_graph.trainers.trainer import SFTResult, SFTSettings, check_optimizer
from critique_graph.trainers.training_folder import CHECKPOINTS, FOLDER, RESULT, ROWS, claim, start_weights

RESPONSES, EVALUATION = "responses", "evaluation"
CURVE_POINTS = 20
"""Approximate number of points of the curves."""
OF_OTHER_TASKS = ("epochs", "max_steps", "max_length", "reasoning", "balance")
"""Settings of `train` that this task does not have."""


def run_critic_rl(
    problems: str,
    start: str,
    out: Path,
    settings: TrainSettings,
    reinforcement: ReinforcementSettings,
    *,
    on_note: Callable[[str], None] = lambda text: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> Training:
    """Train a critic by reinforcement and save it in `out`; the same call resumes, or gives the earlier result.

    Args:
        problems: Problem set to learn from; a tenth of it is held out for the evaluations, unless `eval` names a set.
        start: Critic from which training starts.
        out: Folder of the trained model.
        settings: Settings that all trainings share; `partner` is the actor.
        reinforcement: Settings of the reinforcement.
        on_note: Called with lines that say what was found.
        on_step: Called after every optimizer step.

    Raises:
        InputError: A setting, the problems, the model or the folder cannot be used.
        NothingToLearnError: Rewards without variance, or a collapsed entropy.
        RefinerError: The partner makes no refinements any more.
        RewardError: A reward failed or took too long.
        DivergedError: The loss is no longer a finite number.
        RunError: The responses could not be sampled, or an evaluation not be played.
    """
    source = start_weights(start)
    name = _checked(settings, reinforcement)
    training, held_out = _problems(problems, settings, reinforcement)
    folder = out / FOLDER
    recorded = {
        **settings.model_dump(mode="json", exclude={*OF_OTHER_TASKS, "report_to"}),
        **reinforcement.model_dump(mode="json"),
        "partner": name.recorded(),
    }
    claim(out, {"task": "critic-rl", "data": problems, "model": start, **recorded}, kept=RESPONSES)
    result = folder / RESULT
    if result.is_file():
        return Training.model_validate_json(result.read_bytes())
    tokenizer = load_tokenizer(source)
    give_template(tokenizer, start)
    partner = load_roles({"actor": name})["actor"]
    sampled = sample_responses(
        ProblemSet.of(training),
        partner,
        folder / RESPONSES,
        name=name,
        settings=reinforcement,
        seed=settings.seed,
    )
    selected = select_responses(
        folder / RESPONSES, prompts=reinforcement.prompts, per_problem=settings.per_problem, seed=settings.seed
    )
    rows = cast(list[ResponseRow], selected.rows)
    (folder / ROWS).mkdir(exist_ok=True)
    write_json_lines(folder / ROWS / "train.jsonl", rows)
    on_note(
        f"{len(rows)} responses to judge, half of them correct, of {len(training)} problems (the partner's first "
        f"responses: {sampled.accuracy_first.percent()} correct); {len(held_out)} problems are held out"
    )
    evaluator = Evaluator(partner, name, held_out, folder / EVALUATION, settings.seed, reinforcement, on_note=on_note)
    evaluator(0, source)
    with without_progress_bar():
        fitted, steps = _fit(
            rows,
            source,
            out,
            settings,
            reinforcement,
            refiner_of(partner, name, settings, reinforcement),
            evaluator,
            on_note,
            on_step,
        )
    done = _training(selected, start, out, len(training), fitted, steps, evaluator, reinforcement)
    write_atomically(out / CARD, [reinforcement_card(done, problems, recorded).encode()])
    write_atomically(result, [done.model_dump_json(indent=2).encode()])
    rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return done


def _checked(settings: TrainSettings, reinforcement: ReinforcementSettings) -> RoleModel:
    """Give the partner, if the settings fit each other."""
    defaults = TrainSettings()
    if others := [name for name in OF_OTHER_TASKS if getattr(settings, name) != getattr(defaults, name)]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise InputError(
            f"{flags}: critic-rl has no such setting; --discriminability-steps and --helpfulness-steps say how long it "
            "learns."
        )
    if settings.partner is None:
        raise InputError("critic-rl needs --partner, the actor whose responses are judged and refined.")
    if reinforcement.steps == 0:
        raise InputError("--discriminability-steps and --helpfulness-steps are both 0: there is nothing to do.")
    if settings.batch_size % reinforcement.generations:
        raise InputError(
            f"--batch-size {settings.batch_size} is no multiple of --generations {reinforcement.generations}."
        )
    at_once = settings.rows_at_once or settings.batch_size
    if settings.batch_size % at_once:
        raise InputError(f"--batch-size {settings.batch_size} is no multiple of --rows-at-once {at_once}.")
    if find_processes().count > 1:
        raise InputError("critic-rl trains in one process: start it without accelerate or torchrun.")
    try:
        check_optimizer(settings.optimizer or "adamw_torch")
    except ValueError as error:
        raise InputError(str(error)) from error
    partner = read_role(settings.partner, "partner")
    assert isinstance(partner, RoleModel)
    return partner


def _problems(
    problems: str, settings: TrainSettings, reinforcement: ReinforcementSettings
) -> tuple[list[Problem], list[Problem]]:
    """Give the problems to learn from, and those that are held out for the evaluations."""
    found = find_training_problems(
        TrainingProblemSettings(problems=problems, limit=reinforcement.limit, seed=settings.seed)
    )
    training = list(found.read())
    if settings.eval is None:
        held_out = [problem for problem in training if is_held_out(problem.id)][: settings.eval_limit]
        training = [problem for problem in training if not is_held_out(problem.id)]
    else:
        held_out = list(load_problems(settings.eval, limit=settings.eval_limit, seed=settings.seed))
    if unanswered := next((problem.id for problem in held_out if problem.answer is None), None):
        raise InputError(f"{settings.eval}: problem {unanswered!r} has no reference answer; evaluations need one.")
    if not training or not held_out:
        raise InputError(f"{problems}: too few problems to hold some out; name others with --eval.")
    asked = {question_key(problem.question) for problem in held_out}
    if both := next((problem.id for problem in training if question_key(problem.question) in asked), None):
        raise InputError(f"problem {both!r} is learned from, and is also in the evaluation {settings.eval}: remove it.")
    return training, held_out


def refiner_of(
    partner: BaseChatModel, name: RoleModel, settings: TrainSettings, reinforcement: ReinforcementSettings
) -> Refiner:
    """Give the actor as the second stage needs it."""
    caller = Caller(
        model=partner,
        role="actor",
        temperature=reinforcement.refiner_temperature,
        max_tokens=reinforcement.max_tokens,
        seed=settings.seed,
        name=name.model,
    )
    return Refiner(
        caller,
        MATH,
        reinforcement.prompts,
        reinforcement.patience,
        reinforcement.refinements,
    )


def _fit(
    rows: Sequence[ResponseRow],
    source: str,
    out: Path,
    settings: TrainSettings,
    reinforcement: ReinforcementSettings,
    refiner: Refiner,
    evaluator: Evaluator,
    on_note: Callable[[str], None],
    on_step: Callable[[StepReport], None],
) -> tuple[SFTResult, list[StepFigures]]:
    """Load the start model and train it."""
    checkpoints = out / FOLDER / CHECKPOINTS
    try:
        model = load_trainable(source, settings.dtype or "float32")
        rate = learning_rate_of(settings, model.num_parameters(), is_reinforcement=True, on_note=on_note)
        return train_critic_rl(
            rows,
            model=model,
            tokenizer=load_tokenizer(source),
            refine=refiner,
            settings=SFTSettings(
                learning_rate=rate,
                batch_size=settings.batch_size,
                rows_at_once=settings.rows_at_once,
                max_steps=reinforcement.steps,
                warmup=0.0,
                optimizer=settings.optimizer or "adamw",
                checkpointing=bool(settings.checkpointing),
                lora_rank=settings.lora_rank,
                seed=settings.seed,
                log_every=max(1, reinforcement.steps // CURVE_POINTS),
                save_every=reinforcement.evaluate_every,
                report_to=settings.report_to,
            ),
            reinforcement=reinforcement,
            out=out,
            checkpoints=checkpoints,
            on_step=on_step,
            on_checkpoint=evaluator,
        )
    except (ValueError, TemplateError) as error:
        raise InputError(str(error)) from error
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"out of memory with {settings.rows_at_once or settings.batch_size} critiques at once. What lowers the "
            "memory: --rows-at-once 1, --checkpointing, --lora-rank 16, --critique-tokens."
        ) from error
    except NothingToLearnError as error:
        if saved := sorted(checkpoints.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime):
            raise NothingToLearnError(f"{error} What it had learned before is in hf:{saved[-1]}.") from error
        rmtree(checkpoints, ignore_errors=True)  # nothing is lost, so the folder is free for other settings
        raise


def _training(
    selected: Selected,
    start: str,
    out: Path,
    problems: int,
    fitted: SFTResult,
    steps: Sequence[StepFigures],
    evaluator: Evaluator,
    reinforcement: ReinforcementSettings,
) -> Training:
    """Give the record of the training."""
    summaries = evaluator.summaries()
    evaluations = [Evaluation.of(step, summary, reinforcement=reinforcement) for step, summary in summaries.items()]
    return Training(
        task="critic-rl",
        rows=fitted.rows,
        dropped=dict(selected.dropped),
        loss_first=fitted.losses[0],
        loss_last=fitted.losses[-1],
        losses=fitted.losses,
        learning_rate=fitted.learning_rate,
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=round(fitted.seconds, 1),
        device=fitted.device,
        start=start,
        model=f"hf:{out}",
        before=summaries[0],
        after=summaries[max(summaries)],
        reinforcement=Reinforcement(
            estimator=reinforcement.estimator,
            problems=problems,
            responses=fitted.rows,
            steps=intervals(steps, max(1, reinforcement.steps // CURVE_POINTS)),
            evaluations=tuple(evaluations),
        ),
    )
