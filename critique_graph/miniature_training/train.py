"""Trains the miniature's actor and critic from scratch, with the project's own trainer.

Both start from one base. The base first learns to copy, which makes all later stages several times faster (measured),
and to copy corrections; then it learns to solve, to check, and what both need: to note what a problem gives, to add, to
compare. The actor then learns solutions until it is correct often enough, and after that refinements of its own
responses. The critic learns critiques, among them critiques of the actor's own responses.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import cast

import torch
from langchain_core.messages import AIMessage
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.engines.pretrained import load_weights
from critique_graph.miniature.solutions import boxed_answer
from critique_graph.miniature.task import Exercise, generate_exercises
from critique_graph.miniature_training.data import copy_rows, correction_rows, is_correct, is_judgeable
from critique_graph.miniature_training.mixtures import BATCH_SIZE, actor_rows, base_rows, critic_rows, solver_rows
from critique_graph.miniature_training.tokenizer import MAX_TOKENS, build_tokenizer
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.rows import TrainingRow
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.trainer import SFTResult, SFTSettings

logger = logging.getLogger(__name__)

CONFIGURATION, RECORD, SHARES = "miniature.json", "training.json", "solved.json"
COPIES_AT_ONCE, CORRECTIONS_AT_ONCE = 32, 16
"""Batch sizes of the first stages, whose rows are short."""
RESPONSE_TOKENS = 200
"""More tokens than any response to a problem of the task has."""
SOLVER_ACCURACIES = (0.42, 0.34, 0.26, 0.18)
"""The solver is finished once it solves the first share of the validation problems; trained on as the actor, it solves
a quarter more. If the actor solves too many, it is made again from the first checkpoint that solved the next share."""
ACTOR_MOST = 0.72
"""Maximum share that an actor may solve: with few mistakes, the critic would have nothing to find."""
SOLVER_CHECKS, ACTOR_CHECKS = 200, 400
"""Number of validation problems on which these shares are measured."""
SOLVER_CHECK_EVERY = 25
"""Number of optimizer steps between two candidates for the solver."""


@dataclass(frozen=True)
class Plan:
    """Size of the models, optimizer steps of every stage, and how many problems the actor answers for the critic.

    The numbers are ours; that of the solver is an upper limit. The critic gets many more steps than the actor, because
    it has to know the sums that the actor gets wrong.
    """

    copier: int = 600
    corrector: int = 600
    base: int = 2200
    solver: int = 1600
    actor: int = 400
    critic: int = 4500
    """0 makes no critic."""
    sampled: int = 8000
    width: int = 128
    """Width of the models, a multiple of 8; 128 is the shipped pair's."""


SMOKE = Plan(copier=2, corrector=2, base=2, solver=2, actor=2, critic=2, sampled=8)
"""Plan that runs every stage and learns nothing."""


def train_miniature(out: Path, *, seed: int = 0, plan: Plan | None = None) -> dict[str, SFTResult]:
    """Train both models, save them under `out/actor` and `out/critic`, and give the record of each stage.

    Without steps for a critic in the plan, the actor is the last stage.

    The same call resumes: a stage that is finished in `out` is not done again, and an interrupted stage continues from
    its last checkpoint.

    Raises:
        InputError: `out` holds a training with another seed or plan, or other files.
    """
    plan, tokenizer = plan or Plan(), build_tokenizer()
    _claim_folder(out, {"seed": seed, **asdict(plan)})
    first = 10 * seed  # every stage draws its own problems
    stages = {
        "copier": train_copier(out, plan, tokenizer, seed=first),
        "corrector": train_corrector(out, plan, tokenizer, seed=first + 1),
        "base": train_base(out, plan, tokenizer, seed=first + 2),
        "solver": train_solver(out, plan, tokenizer, seed=first + 3),
        "actor": train_actor(out, plan, tokenizer, seed=first + 4),
    }
    return {**stages, "critic": train_critic(out, plan, tokenizer, seed=first + 5)} if plan.critic else stages


def train_copier(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train a new model into `out/copier`: to repeat words in random order.

    It learns to find, by attention alone, what followed the same words earlier (Olsson et al. 2022, "In-context
    learning and induction heads"). In the rows of the task itself, a model guesses from position and meaning instead.
    """
    return _stage(
        out / "copier",
        start=lambda: new_model(tokenizer, seed=seed, width=plan.width),
        rows=lambda: copy_rows(plan.copier * COPIES_AT_ONCE, random.Random(seed)),
        tokenizer=tokenizer,
        settings=_settings(plan.copier, peak=2e-3, seed=seed, batch_size=COPIES_AT_ONCE),
    )


def train_corrector(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train the copier further into `out/corrector`: to repeat nonsense with the corrections of a critique."""
    return _stage(
        out / "corrector",
        start=lambda: _load(out / "copier"),
        rows=lambda: correction_rows(plan.corrector * CORRECTIONS_AT_ONCE, random.Random(seed)),
        tokenizer=tokenizer,
        settings=_settings(plan.corrector, peak=2e-3, seed=seed, batch_size=CORRECTIONS_AT_ONCE),
    )


def train_base(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train the corrector further into `out/base`: solutions, critiques, notes and sums."""
    return _stage(
        out / "base",
        start=lambda: _load(out / "corrector"),
        rows=lambda: base_rows(plan.base, seed),
        tokenizer=tokenizer,
        settings=_settings(plan.base, peak=2e-3, seed=seed),
    )


def train_solver(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train the base further into `out/solver`: mostly solutions.

    How fast a model learns to calculate differs between seeds, and a model without mistakes leaves the critic nothing
    to find: the solver is the first checkpoint that is correct often enough.
    """
    base = out / "base"
    settings = _settings(plan.solver, peak=1.5e-3, seed=seed)
    return _stage(
        out / "solver",
        start=lambda: _load(base),
        rows=lambda: solver_rows(plan.solver, _answers(base, n=plan.solver * BATCH_SIZE // 3, seed=seed), seed),
        tokenizer=tokenizer,
        settings=replace(settings, save_every=SOLVER_CHECK_EVERY, keep=None),
        choose=lambda checkpoints: first_good_enough(checkpoints, seed=seed),
        keeps_checkpoints=True,  # the actor may have to begin from an earlier one
    )


def train_actor(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train the solver further into `out/actor`: mostly refinements of its own wrong answers.

    The solver is a checkpoint from the middle of a training, whose weights are still unsteady. While the learning rate
    falls in this stage, the model learns to copy exactly, and solves more (measured, n = 400: 36 % became 61 %, 57 %
    became 80 %). An actor that solves too many problems is made again from an earlier solver.
    """
    solver, actor, attempts = out / "solver", out / "actor", out / "attempts"
    if not (actor / RECORD).is_file():
        _chosen_actor(solver, attempts, plan, tokenizer, seed=seed).rename(actor)  # complete or not at all
    rmtree(attempts, ignore_errors=True)
    rmtree(solver / "checkpoints", ignore_errors=True)
    return SFTResult(**json.loads((actor / RECORD).read_bytes()))


def _chosen_actor(solver: Path, attempts: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> Path:
    """Make actors from earlier and earlier solvers until one leaves the critic enough to find."""
    exercises = list(generate_exercises(ACTOR_CHECKS, seed=seed, split="validation"))
    for number, least in enumerate(SOLVER_ACCURACIES):
        start = _solver_of(solver, least) if number else solver
        attempt = attempts / str(number)
        _stage(
            attempt,
            start=partial(_load, start),
            rows=partial(_rows_of_actor, start, plan, seed=seed),
            tokenizer=tokenizer,
            settings=_settings(plan.actor, peak=1e-3, seed=seed),
        )
        solved = _solved(attempt, exercises, seed=seed)
        logger.info("an actor made from %s solves %.3f of the validation problems", start.name, solved)
        if solved <= ACTOR_MOST:
            break
    return attempt


def _rows_of_actor(start: Path, plan: Plan, *, seed: int) -> list[TrainingRow]:
    return actor_rows(plan.actor, _answers(start, n=plan.actor * BATCH_SIZE, seed=seed), seed)


def _solver_of(solver: Path, least: float) -> Path:
    """Give the first checkpoint of the solver's training that solved at least this share; the solver if none did."""
    shares = json.loads((solver / SHARES).read_bytes())
    found = next((name for name, share in shares.items() if share >= least), None)
    return solver if found is None else solver / "checkpoints" / found


def train_critic(out: Path, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> SFTResult:
    """Train the base further into `out/critic`: critiques, among them critiques of the actor's own responses."""
    base, actor = out / "base", out / "actor"
    return _stage(
        out / "critic",
        start=lambda: _load(base),
        rows=lambda: critic_rows(plan.critic, _answers(actor, n=plan.sampled, seed=seed), seed),
        tokenizer=tokenizer,
        settings=_settings(plan.critic, peak=1.5e-3, seed=seed),
    )


def _claim_folder(out: Path, configuration: dict[str, int]) -> None:
    """Check that the folder holds the same configuration, or write it into a new folder."""
    file = out / CONFIGURATION
    if file.is_file():
        if json.loads(file.read_bytes()) != configuration:
            raise InputError(f"{file} says another seed or plan; give a new folder, or the same settings to resume.")
        return
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no training of the miniature; give a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(file, [json.dumps(configuration, indent=2).encode()])


def _stage(
    folder: Path,
    *,
    start: Callable[[], LlamaForCausalLM],
    rows: Callable[[], list[TrainingRow]],
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings,
    choose: Callable[[Path], Path | None] = lambda checkpoints: None,
    keeps_checkpoints: bool = False,
) -> SFTResult:
    """Train one model into `folder`, unless its record is already there.

    The model is that of the last step, or the checkpoint that `choose` gives.
    """
    record = folder / RECORD
    if record.is_file():
        return SFTResult(**json.loads(record.read_bytes()))
    logger.info("%s: %s optimizer steps", folder.name, settings.max_steps)
    model = start()
    checkpoints = folder / "checkpoints"
    result = train_sft(rows(), model=model, tokenizer=tokenizer, settings=settings, checkpoints=checkpoints)
    chosen = choose(checkpoints)
    save(model if chosen is None else _load(chosen), tokenizer, folder)
    write_atomically(record, [json.dumps(asdict(result), indent=2).encode()])
    if not keeps_checkpoints:
        rmtree(checkpoints, ignore_errors=True)
    return result


def new_model(tokenizer: PreTrainedTokenizerBase, *, seed: int, width: int = 128) -> LlamaForCausalLM:
    """Make an untrained model of the miniature's shape; with a width of 128 it has 0.9 million parameters."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def first_good_enough(checkpoints: Path, *, seed: int) -> Path | None:
    """Give the first checkpoint that solves the first of `SOLVER_ACCURACIES` of validation problems, or None.

    The shares that checkpoints solve, up to the chosen one, are written beside the checkpoints.
    """
    exercises = list(generate_exercises(SOLVER_CHECKS, seed=seed, split="validation"))
    shares: dict[str, float] = {}
    chosen = None
    for checkpoint in sorted(checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2])):
        shares[checkpoint.name] = _solved(checkpoint, exercises, seed=seed)
        logger.info("%s solves %.3f of the validation problems", checkpoint.name, shares[checkpoint.name])
        if shares[checkpoint.name] >= SOLVER_ACCURACIES[0]:
            chosen = checkpoint
            break
    write_atomically(checkpoints.parent / SHARES, [json.dumps(shares).encode()])
    return chosen


def _solved(folder: Path, exercises: Sequence[Exercise], *, seed: int) -> float:
    """Give the share of problems that a model solves greedily."""
    responses = _respond(folder, exercises, temperature=0.0, seed=seed)
    right = sum(boxed_answer(text) == e.problem.answer for e, text in zip(exercises, responses, strict=True))
    return right / len(exercises)


def _answers(folder: Path, *, n: int, seed: int) -> list[tuple[Exercise, str]]:
    """Give the answers of a model to `n` fresh problems, those for which an exact critique can be written."""
    exercises = list(generate_exercises(n, seed=seed, split="train"))
    responses = _respond(folder, exercises, temperature=1.0, seed=seed)
    pairs = [pair for pair in zip(exercises, responses, strict=True) if is_judgeable(*pair)]
    wrong = sum(not is_correct(*pair) for pair in pairs)
    logger.info("of %d sampled responses %d can be judged, %d of them wrong", n, len(pairs), wrong)
    return pairs


def _respond(folder: Path, exercises: Sequence[Exercise], *, temperature: float, seed: int) -> list[str]:
    model = ChatTransformers(
        model=str(folder), temperature=temperature, max_tokens=RESPONSE_TOKENS, max_batch_size=128, device="cpu"
    )

    async def respond() -> list[AIMessage]:
        prompts = (solve_messages(exercise.problem.question) for exercise in exercises)
        return await asyncio.gather(*(model.ainvoke(prompt, seed=seed + i) for i, prompt in enumerate(prompts)))

    return [message.text for message in asyncio.run(respond())]


def _settings(steps: int, *, peak: float, seed: int, batch_size: int = BATCH_SIZE) -> SFTSettings:
    return SFTSettings(
        learning_rate=peak, batch_size=batch_size, optimizer="muon", max_steps=steps, use_cpu=True, seed=seed
    )


def _load(folder: Path) -> LlamaForCausalLM:
    return cast(LlamaForCausalLM, load_weights(LlamaForCausalLM, folder, dtype=torch.float32))


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a model with its tokenizer; float16 halves the size and changes no answer that matters."""
    deepcopy(model).half().save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
