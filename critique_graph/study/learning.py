"""What the parts with trained actors share: settings, problems to learn from, trainings, and paired findings."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Problem
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.stages import MODEL, ROWS, trainable
from critique_graph.metrics.intervals import Rate, paired_difference
from critique_graph.models.load import release_models
from critique_graph.models.model_string import ModelString
from critique_graph.problems.held_out import question_key, refuse_test_split
from critique_graph.problems.load import load_problems
from critique_graph.problems.problem_set import ProblemSet, without_test_questions
from critique_graph.runs.record import Ended
from critique_graph.runs.traces import read_traces
from critique_graph.solve.run import run_problems
from critique_graph.study import findings
from critique_graph.study.learning_settings import LearningPart, LearningSettings, recipe
from critique_graph.study.part import Finding, StudyJob
from critique_graph.study.shared_runs import UnfinishedRunError
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.selection import select
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.train_process import Trained, Trainer, TrainingOrder

logger = logging.getLogger(__name__)

MINIATURE_TRAINING: dict[LearningPart, int] = {"training": 200, "self_talk": 400}
"""Number of the miniature's training problems, if no limit is given: the form of self-talk needs more of them."""
TEMPERATURE = 0.7
"""Sampling temperature where several responses are drawn, if none is given: the paper's."""


@dataclass(frozen=True)
class Learner:
    """A study's actor and critic, the problems to learn from and to test on, and how actors are trained."""

    job: StudyJob
    settings: LearningSettings
    sets: ImprovementProblems
    trainer: Trainer
    part: LearningPart

    @property
    def actor(self) -> str:
        """Model string of the actor before any training."""
        return str(self.job.settings.actor)

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings of every training."""
        return recipe(self.settings, self.actor, self.part)

    def critic(self) -> RoleModel | BaseChatModel:
        """Give the critic, with its server."""
        role = self.job.settings.roles()["critic"]
        return self.job.models.get(role.model, role)

    def keywords(self) -> dict[str, Any]:
        """Give the settings that every run of the part shares."""
        names = {"max_tokens", "critic_max_tokens", "seed", "concurrency", "call_timeout", "outage"}
        return {name: getattr(self.job.settings, name) for name in sorted(names)} | {
            "prompts": self.job.settings.prompts,
            "critic": self.critic(),
        }

    @property
    def temperature(self) -> float:
        """Sampling temperature where several responses are drawn."""
        given = self.job.settings.temperature
        return TEMPERATURE if given is None else given

    def play(
        self, problems: Sequence[Problem], folder: Path, *, actor: str, rounds: int, samples: int = 1
    ) -> "Measured":
        """Let an actor answer problems, with a critic if there are rounds; greedily if it answers once."""
        role = self.job.settings.actor if actor == self.actor else RoleModel(model=actor)
        end = run_problems(
            problems,
            out=folder,
            progress=self.job.progress,
            actor=self.job.models.get(actor, role),
            rounds=rounds,
            samples=samples,
            temperature=0.0 if samples == 1 else self.temperature,
            **self.keywords(),
        )
        refuse_unfinished(end)
        return Measured.read(folder)

    def teach(self, candidates: Iterable[Candidate], folder: Path) -> tuple[str, Trained]:
        """Train the actor on rows; gives the trained model and the record of the training.

        Raises:
            InputError: There is nothing to learn.
            RunError: The training failed.
        """
        seed = self.job.settings.seed
        rows = select(candidates, per_problem=None, seed=seed).rows
        folder.mkdir(parents=True, exist_ok=True)
        write_json_lines(folder / ROWS, rows)
        release_models()
        settings = TrainSettings(**self.recipe, seed=seed)
        done = self.trainer(TrainingOrder(folder / ROWS, trainable(self.actor), folder / MODEL, settings))
        return ModelString.parse(self.actor).trained_into(folder / MODEL), done


def find_learner(job: StudyJob, trainer: Trainer, part: LearningPart) -> Learner | str:
    """Prepare a part with trained actors, or say why it cannot run."""
    settings, chosen = job.settings, job.settings
    assert isinstance(settings, LearningSettings)
    if find_spec("trl") is None:
        return 'trainings need the extra "train".'
    test = [problem for problem in job.problems if problem.answer is not None]
    if not test:
        return "it needs reference answers, and no problem has one."
    try:
        trainable(str(chosen.actor))
    except InputError:
        return f"{chosen.actor} cannot be trained here: that needs hf:NAME_OR_PATH, vllm:NAME_OR_PATH or the miniature."
    is_miniature = chosen.problems == "miniature"
    spec = settings.train or ("miniature" if is_miniature else None)
    if spec is None:
        return "there are no problems to learn from: name some with --train."
    limit = settings.train_limit or (MINIATURE_TRAINING[part] if spec == "miniature" else None)
    try:
        refuse_test_split(spec)
        found = load_problems(spec, limit=limit, seed=chosen.seed, split="train", with_solutions=True)
        allowed = list(without_test_questions(ProblemSet.of(list(found))).read())
    except InputError as error:
        return str(error)
    asked = {question_key(problem.question) for problem in test}
    training = [p for p in allowed if p.answer is not None and question_key(p.question) not in asked]
    if len(training) < len(allowed):
        left_out = len(allowed) - len(training)
        logger.warning("%d training problems are left out: they are tested on, or have no reference", left_out)
    if not training:
        return f"{spec}: every problem is one to test on, or has no reference answer."
    return Learner(job, settings, ImprovementProblems(training, (), test), trainer, part)


@dataclass(frozen=True)
class Measured:
    """What an actor answered to problems, and what it cost."""

    alone: dict[str, bool]
    """Whether the first response to each problem is correct."""
    final: dict[str, bool]
    """Whether the answer to each problem is correct in the end: after the critic, if there is one."""
    tokens: int
    """Tokens of all models, prompts included."""

    @classmethod
    def read(cls, folder: Path) -> "Measured":
        """Read a run; problems without a graded answer are left out."""
        alone, final, tokens = {}, {}, 0
        for trace in read_traces(folder):
            tokens += trace.usage["total"].total_tokens
            first = trace.chains[0].response if trace.chains else None
            if first is not None and first.is_correct is not None and trace.correct is not None:
                alone[trace.problem.id], final[trace.problem.id] = first.is_correct, trace.correct
        return cls(alone, final, tokens)


def refuse_unfinished(end: Ended) -> None:
    """Raise `UnfinishedRunError` if a run stopped before its end."""
    if end.state != "complete":
        raise UnfinishedRunError(end)


def finding(
    part: str,
    name: str,
    statement: str,
    difference: Rate,
    *,
    what: str,
    compute: str,
    below: bool = False,
) -> Finding:
    """Make a finding of a difference.

    Args:
        part: The part.
        name: Name of the finding.
        statement: The paper's statement.
        difference: The difference, with its paired interval.
        what: What was measured, as the beginning of a sentence.
        compute: What was spent on each side.
        below: Whether the statement says that the difference is below zero, not above.
    """
    estimate = f"{what}: {findings.points(difference)}."
    return findings.finding(part, name, statement, estimate, difference, compute=compute, below=below)


def shared(*answers: dict[str, bool]) -> list[list[bool]]:
    """Give the answers to the problems that all have, in one order."""
    ids = [problem for problem in answers[0] if all(problem in other for other in answers)]
    return [[answer[problem] for problem in ids] for answer in answers]


def paired(before: dict[str, bool], after: dict[str, bool]) -> Rate:
    """Give the difference of two shares of correct answers, on the problems that both have."""
    first, last = shared(before, after)
    return paired_difference(first, last)


def cells(rate: Rate) -> dict[str, Any]:
    """Give a rate as cells of a table of numbers."""
    return {"value": rate.value, "low": rate.low, "high": rate.high, "n": rate.n}
