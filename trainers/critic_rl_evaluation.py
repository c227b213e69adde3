"""The evaluations of a critic while it learns by reinforcement: one greedy round on held-out problems each time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.core.async_node import wait_for
from critique_graph.core.files import write_atomically
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import Summary, summarise
from critique_graph.trainers.critic_rl_record import Evaluation
from critique_graph.trainers.response_pool import complete
from critique_graph.trainers.settings import ReinforcementSettings


@dataclass(frozen=True)
class Evaluator:
    """Plays a round with the critic of a checkpoint, and keeps the summaries: what is evaluated is not played again."""

    partner: BaseChatModel
    name: RoleModel
    """What names the partner."""
    problems: Sequence[Problem]
    folder: Path
    seed: int
    settings: ReinforcementSettings
    on_note: Callable[[str], None]
    """Called with the figures in one line."""

    def __call__(self, step: int, weights: str | Path) -> None:
        """Evaluate the critic that has these weights after a number of steps.

        Raises:
            RunError: The run stopped early.
            KeyboardInterrupt: A signal interrupted it; what was played is kept.
        """
        run = self.folder / f"step-{step:06d}"
        file = run.with_suffix(".json")
        if file.is_file():
            return
        critic = ChatTransformers(model=str(weights))  # not `load_model`, which would keep the critic of every step
        settings: dict[str, Any] = {
            "temperature": 0.0,
            "max_tokens": self.settings.max_tokens,
            "critic_max_tokens": self.settings.critique_tokens,
            "critique_form": "text",
            "seed": self.seed,
        }
        summary = wait_for(
            run_graph(
                lambda journal: create_actor_critic(
                    self.partner, critic, **settings, prompts=self.settings.prompts, log=journal
                ).compile(name="actor_critic"),
                ProblemSet.of(self.problems),
                run,
                {"problems": "held-out problems of critic-rl", "actor": self.name.recorded(), "step": step, **settings},
                summarise,
                prompts=prompts_hash(loop_prompts(self.settings.prompts)),
                patience=self.settings.patience,
            )
        )
        complete(summary, f"the evaluation after step {step}")
        write_atomically(file, [summary.model_dump_json(indent=2).encode()])
        self.on_note(Evaluation.of(step, summary, reinforcement=self.settings).describe())

    def summaries(self) -> dict[int, Summary]:
        """Give the summaries of all evaluations, by step, in order."""
        files = sorted(self.folder.glob("step-*.json"))
        return {int(file.stem.partition("-")[2]): Summary.model_validate_json(file.read_bytes()) for file in files}
