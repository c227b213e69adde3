"""The stages of self-improvement, each in a folder from which it resumes: explore, select, train, evaluate.

OUT/iteration-0/                 evaluation of the actor before training
OUT/iteration-1/explore/         a run folder: traces of all responses, critiques and refinements
OUT/iteration-1/kept.jsonl       rows that were kept
OUT/iteration-1/rows.jsonl       rows that are learned: the kept ones, and others if asked for
OUT/iteration-1/model/           the trained actor; model.log is the training's log
OUT/iteration-1/validation/, test/   run folders of the evaluation
OUT/iteration-1/practice/, critic-kept.jsonl, critic-rows.jsonl, critic/, exam/   with `critic_learns`: the critic's
OUT/iteration-1/record.json      all figures; written when the iteration is done
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import JsonValue

from critique_graph.calls.breaker import Patience
from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import PlainModel
from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.exploration import create_exploration
from critique_graph.graphs.practice import create_practice
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.improve.actor_server import ActorServer
from critique_graph.improve.critic_turn import ROWS as CRITIC_ROWS
from critique_graph.improve.critic_turn import TRIES, judged_problems
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.records import ActorEvaluation, Kept, changed_share, evaluation_of, kept_of
from critique_graph.improve.state import ImprovementContext
from critique_graph.metrics.intervals import Rate
from critique_graph.models.load import release_models
from critique_graph.models.model_string import ModelString
from critique_graph.models.roles import name_of
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.folder import read_manifest
from critique_graph.runs.progress import Progress
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import Summary, summarise
from critique_graph.tasks.task import Task
from critique_graph.trainers.candidates import trace_candidates
from critique_graph.trainers.rows_file import read_rows_file
from critique_graph.trainers.selection import select
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.train_process import Trained, Trainer, TrainingOrder

KEPT, ROWS, MODEL, CRITIC = "kept.jsonl", "rows.jsonl", "model", "critic"
Learner = Literal["actor", "critic"]
NO_CRITIC = "none"


@dataclass(frozen=True)
class Improver:
    """The models, problems and tools of a self-improvement, and its stages as methods."""

    critic: PlainModel | RoleModel | None
    """Critic of the exploration, before it learns; None: wrong responses are not refined."""
    test_critic: PlainModel | RoleModel | None
    """Critic of the evaluations; None: the actor is measured alone."""
    is_test_critic_given: bool
    """Whether `test_critic` is another than the critic, and so not replaced by a critic that learns."""
    problems: ImprovementProblems
    task: Task
    trainer: Trainer
    load: Callable[[PlainModel | RoleModel], BaseChatModel]
    progress: Callable[[str], Progress]
    """Gives the display of a stage, by its title."""
    concurrency: int
    patience: Patience
    prompts: Prompts = DEFAULT_PROMPTS
    """Wording of the prompts, that of the task included."""
    server: ActorServer | None = None
    """Servers that the actor plays on; None: it is loaded in this process."""

    def explore(
        self, context: ImprovementContext, index: int, actor: str, critic: PlainModel | RoleModel | None, folder: Path
    ) -> Summary:
        """Sample responses to every training problem; with a critic, refine wrong responses."""
        settings = context.model_dump(
            include={"samples", "refinements", "temperature", "max_tokens", "critic_max_tokens"}
        ) | {"seed": context.seed + index}  # other draws in every iteration
        return self._run(
            f"iteration {index}, explore",
            self.problems.training,
            folder / "explore",
            lambda actor, critic, log: create_exploration(
                actor, critic, **settings, task=self.task, prompts=self.prompts, log=log
            ).compile(name="exploration"),
            {"problems": "training problems of self-improvement", "actor": actor, **settings},
            critic,
        )

    def practise(self, context: ImprovementContext, index: int, actor: str, critic: str, folder: Path) -> Summary:
        """Have a critic that learns judge what was explored, and the actor refine what it calls wrong."""
        settings = context.model_dump(include={"temperature", "max_tokens", "critic_max_tokens"})
        settings |= {"tries": TRIES, "seed": context.seed + index}
        return self._practice(
            f"iteration {index}, practise", folder / "explore", folder / "practice", critic, actor, settings
        )

    def examine(self, context: ImprovementContext, index: int, critic: str, out: Path) -> Summary:
        """Have a critic that learns judge, greedily, what the actor before all training wrote to the test problems."""
        settings = context.model_dump(include={"max_tokens", "critic_max_tokens", "seed"})
        settings |= {"temperature": 0.0, "tries": 1}
        responses = iteration_folder(out, 0) / ("test" if self.problems.test else "validation")
        folder = iteration_folder(out, index) / "exam"
        return self._practice(f"iteration {index}, exam", responses, folder, critic, None, settings)

    def select(
        self, context: ImprovementContext, index: int, out: Path, explored: Summary, hard: frozenset[int]
    ) -> Kept | None:
        """Write the rows of an iteration; None if nothing was kept."""
        folder = iteration_folder(out, index)
        explored_traces = folder / "explore"
        candidates = list(trace_candidates(read_traces(explored_traces), "actor", prompts=self.prompts))
        if not candidates:
            return None
        rule: dict[str, Any] = {
            "per_problem": context.per_problem,
            "balance": context.balance,
            "distinct": context.distinct,
            "seed": context.seed + index,
        }
        kept = select(candidates, **rule)
        own = kept.rows
        if context.feedback and (
            refined := list(trace_candidates(read_traces(explored_traces), "refiner", prompts=self.prompts))
        ):
            own = own + select(refined, **rule).rows
        write_json_lines(folder / KEPT, own)
        files = [iteration_folder(out, earlier) / KEPT for earlier in range(1, index)] if context.previous else []
        if context.original is not None:
            files.append(Path(context.original))
        learned = own + [candidate.row for file in files for candidate in read_rows_file(file, "actor")]
        write_json_lines(folder / ROWS, learned)
        return kept_of(
            kept,
            explored,
            read_traces(explored_traces),
            problems=self.problems.training,
            hard=hard,
            rows=len(learned),
            data_hash=hashlib.sha256((folder / ROWS).read_bytes()).hexdigest()[:12],
        )

    def train(
        self, context: ImprovementContext, index: int, parent: str, folder: Path, learner: Learner = "actor"
    ) -> Trained:
        """Train an actor or a critic, after ending and releasing the models that generate."""
        settings = TrainSettings(
            **context.model_dump(
                include={"learning_rate", "batch_size", "rows_at_once", "devices", "epochs", "lora_rank"}
            ),
            seed=context.seed + index,
        )
        release_models()
        if self.server is not None:
            self.server.end()
        rows, model = (ROWS, MODEL) if learner == "actor" else (CRITIC_ROWS, CRITIC)
        return self.trainer(TrainingOrder(folder / rows, trainable(parent, learner), folder / model, settings, learner))

    def evaluate(
        self,
        context: ImprovementContext,
        index: int,
        actor: str,
        out: Path,
        hard: frozenset[int],
        learned: str | None,
    ) -> tuple[Summary, ActorEvaluation]:
        """Measure an actor greedily; gives the summary of the last run that was started, and the figures.

        The critic plays on the test problems, or on the validation problems if there are no test problems. A critic
        that learns, `learned`, plays in the place of the one it began as, and is examined by itself.
        """
        folder = iteration_folder(out, index)
        test_critic = self.test_critic if learned is None or self.is_test_critic_given else learned
        sets = {"validation": self.problems.validation, "test": self.problems.test}
        measured = [name for name, problems in sets.items() if problems]
        ends: list[Summary] = []
        for name in measured:
            critic = test_critic if name == measured[-1] else None
            ends.append(self._measure(context, f"iteration {index}, {name}", sets[name], folder / name, actor, critic))
            if ends[-1].state != "complete":
                break
        test = ends[1] if len(ends) > 1 else None
        exam = None
        if learned is not None and ends[-1].state == "complete":
            exam = self.examine(context, index, learned, out)
        has_critic = test_critic is not None
        evaluation = evaluation_of(actor, ends[0], test, hard=hard, has_critic=has_critic, learned=learned, exam=exam)
        return exam or ends[-1], evaluation

    def changed(self, out: Path, index: int) -> Rate:
        """Give the share of greedy responses that the model of an iteration writes otherwise than the start."""
        name = "validation" if self.problems.validation else "test"
        start, trained = (read_traces(iteration_folder(out, each) / name) for each in (0, index))
        return changed_share(start, trained)

    def _measure(
        self,
        context: ImprovementContext,
        title: str,
        problems: Sequence[Problem],
        folder: Path,
        actor: str,
        critic: PlainModel | RoleModel | None,
    ) -> Summary:
        """Have an actor answer problems greedily, and play one round if there is a critic."""
        settings = context.model_dump(include={"max_tokens", "critic_max_tokens", "seed"})
        settings["rounds"] = 0 if critic is None else 1
        return self._run(
            title,
            problems,
            folder,
            lambda actor, critic, log: create_actor_critic(
                actor, critic or actor, temperature=0.0, **settings, task=self.task, prompts=self.prompts, log=log
            ).compile(name="actor_critic"),
            {"problems": f"{folder.name} problems of self-improvement", "actor": actor, **settings},
            critic,
        )

    def _practice(
        self,
        title: str,
        responses: Path,
        folder: Path,
        critic: str,
        actor: str | None,
        settings: dict[str, Any],
    ) -> Summary:
        """Have a critic judge the first responses of a run; with an actor, wrong ones are refined."""
        recorded = {"problems": f"responses of {responses.name} of self-improvement", **settings}
        return self._run(
            title,
            judged_problems(read_traces(responses)),
            folder,
            lambda actor, critic, log: create_practice(
                actor, critic, **settings, task=self.task, prompts=self.prompts, log=log
            ).compile(name="practice"),
            recorded if actor is None else {**recorded, "actor": actor},
            critic,
        )

    def _run(
        self,
        title: str,
        problems: Sequence[Problem],
        folder: Path,
        create: Callable[..., Any],
        recorded: Mapping[str, JsonValue],
        critic: PlainModel | RoleModel | None,
    ) -> Summary:
        """Drive a graph over problems, in a run folder of its own."""
        configuration = {
            **recorded,
            "critic": None if critic is None else name_of(critic),
            "task": self.task.name,
            "prompts": self.prompts.recorded(),
        }

        def created(journal: CallLog) -> Any:
            asked = not _has_ended(folder, len(problems))
            actor = self._load_actor(str(recorded["actor"]), is_asked=asked) if "actor" in recorded else None
            return create(actor, None if critic is None else self.load(critic), journal)

        return wait_for(
            run_graph(
                created,
                ProblemSet.of(problems),
                folder,
                configuration,
                summarise,
                prompts=prompts_hash(loop_prompts(self.prompts)),
                concurrency=self.concurrency,
                patience=self.patience,
                progress=self.progress(title),
            )
        )

    def _load_actor(self, actor: str, *, is_asked: bool) -> BaseChatModel:
        """Give the chat model of an actor; servers need not have one that is asked nothing."""
        if self.server is None or not is_asked:
            return self.load(actor)
        self.server.serve(actor)
        return self.server.model(actor)


def _has_ended(folder: Path, problems: int) -> bool:
    """Tell whether a run has nothing left to ask."""
    outcomes = (read_manifest(folder) or {}).get("outcomes", {})
    return bool(outcomes.get("done", 0) + outcomes.get("quarantined", 0) == problems)


def iteration_folder(out: Path, index: int) -> Path:
    """Give the folder of an iteration."""
    return out / f"iteration-{index}"


def trainable(model: str, learner: Learner = "actor") -> str:
    """Give the model string from which a training of the actor or the critic starts.

    Raises:
        InputError: The weights of the model are not available here.
    """
    named = ModelString.parse(model)
    if named.weights is None:
        raise InputError(
            f"--{learner} {model}: it is trained, so it must be hf:NAME_OR_PATH, vllm:NAME_OR_PATH or "
            f"miniature:{learner}{'; --serve-command has servers serve it' if learner == 'actor' else ''}."
        )
    return f"hf:{named.name}" if named.prefix == "vllm" else model


def learning_critic(critic: PlainModel | RoleModel | None) -> str:
    """Give the model string of a critic that is to learn.

    Raises:
        InputError: There is no critic, or its weights are not available here.
    """
    model = critic.model if isinstance(critic, RoleModel) else critic
    if model is None or model == NO_CRITIC:
        raise InputError("--critic-learns needs a critic: name one with --critic.")
    if not isinstance(model, str):
        raise InputError("--critic-learns: the critic is trained, so it must be the name of a model, not a chat model.")
    trainable(model, "critic")
    return model
