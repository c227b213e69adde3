"""A study whose actors learn: fakes for the parts with trained actors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hashed_model import HashedModel, addition_problems
from learning import FakeTrainer, load

from critique_graph.core.schema import Problem
from critique_graph.runs.progress import Progress
from critique_graph.study.learning_settings import LearningSettings
from critique_graph.study.part import StudyJob
from critique_graph.study.settings import StudySettings
from critique_graph.trainers.train_process import Trained, TrainingOrder

ACTOR, CRITIC = "hf:start", "hf:critic"
PROBLEMS = addition_problems(48)
TRAINING, TEST = PROBLEMS[:28], PROBLEMS[28:]


class Settings(StudySettings, LearningSettings):
    """The settings of a study with trained actors."""


class Models(dict[str, Any]):
    """Makes the fake of a model string, and counts the calls of all of them."""

    def __init__(self) -> None:
        self.made: list[HashedModel] = []

    def get(self, key: str, default: Any = None) -> Any:
        """Give the fake of a model string."""
        self.made.append(HashedModel(model=key) if key == CRITIC else load(key))
        return self.made[-1]

    @property
    def calls(self) -> int:
        return sum(len(model.prompts) for model in self.made)


class FailingTrainer(FakeTrainer):
    """Fails where the folder of the model has a certain name."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__()
        self._name, self._error = name, error

    def __call__(self, order: TrainingOrder) -> Trained:
        if self._name in str(order.out):
            raise self._error
        return super().__call__(order)


def job(
    folder: Path, *, training: list[Problem] = TRAINING, models: Mapping[str, Any] | None = None, **more: Any
) -> Any:
    """Give a job, with its training problems in a file beside the folder."""
    file = folder.parent / "train.jsonl"
    file.write_text("".join(problem.model_dump_json() + "\n" for problem in training))
    given = {"problems": "test.jsonl", "actor": ACTOR, "critic": CRITIC, "train": str(file), "explored": (2, 3)}
    settings = Settings(**{**given, "iterations": 2, "refinements": 2, "talk_samples": 4, **more})
    return StudyJob(settings, TEST, folder, Progress(quiet=True), Models() if models is None else models)
