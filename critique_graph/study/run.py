"""The study of a pair of models: goes through the parts in one folder, and writes what they found."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal, get_args

import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, ValidationError

from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError, MissingDependencyError, NothingDoneError, first_line
from critique_graph.core.files import write_atomically
from critique_graph.core.schema import Problem, Trace
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.models.roles import name_of, plain_model
from critique_graph.output.cards import CARD
from critique_graph.problems.problem_set import Problems, find_problems
from critique_graph.runs.folder import MANIFEST, RunFolder, RunState, open_run, read_manifest
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import Ended
from critique_graph.study.critics import critics
from critique_graph.study.critiques import critiques
from critique_graph.study.difficulty import difficulty
from critique_graph.study.figures import FIGURES, write_figures
from critique_graph.study.part import PartResult, StudyJob
from critique_graph.study.readme import readme
from critique_graph.study.scaling import scaling
from critique_graph.study.self_talk import self_talk
from critique_graph.study.sequential import sequential
from critique_graph.study.settings import PartName, StudySettings
from critique_graph.study.shared_runs import RUNS, UnfinishedRunError
from critique_graph.study.sizes import sizes
from critique_graph.study.stability import stability
from critique_graph.study.training import training
from critique_graph.verbs.job import prepare_problems
from critique_graph.verbs.output import run_folder

Part = Callable[[StudyJob], PartResult | Awaitable[PartResult]]
PARTS: Mapping[PartName, Part] = {
    "difficulty": difficulty,
    "scaling": scaling,
    "stability": stability,
    "sequential": sequential,
    "sizes": sizes,
    "critics": critics,
    "critiques": critiques,
    "training": training,
    "self_talk": self_talk,
}
"""The parts in their order."""
RESULT = "study.json"


class Study(Ended):
    """What a study found, as `critique-graph study --json` prints it and `study.json` holds it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_: Literal["critique-graph.study/1"] = Field(default="critique-graph.study/1", alias="schema")
    problems: int
    """Number of problems of the set."""
    failed: int
    """Number of failures: problems that failed in a run of the study, and are left out there, over all of its runs."""
    parts: tuple[PartResult, ...]
    """The parts that have run, those of earlier commands in this folder included."""


def run_study(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    plot: bool = False,
    progress: Progress | None = None,
    announce: Callable[[str], None] = lambda part: None,
    **settings: Any,
) -> Study:
    """Measure the paper's findings for given models, as `critique-graph study` does; the same call again resumes.

    Example:
        >>> study = run_study("problems.jsonl", actor="hf:PATH", critic="hf:PATH", only=["scaling"], out="runs/study")
        >>> study.parts[0].findings[0].holds

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves.
        out: Folder of the study; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a study.
        plot: Draw the figures of the parts, too (needs the extra `report`).
        progress: Shows how each run goes; nothing by default.
        announce: Called with the name of each part before it runs.
        settings: Fields of `StudySettings`; models are strings or chat models.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    if plot and find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", extra="report", purpose="--plot")
    keywords, models = _named(settings)
    chosen, every = _prepared(problems, keywords)
    folder = run_folder(out, "study")
    shown = progress or Progress(quiet=True)
    hashed = prompts_hash(loop_prompts(chosen.prompts))
    with open_run(folder, chosen.recorded(), prompts=hashed, fresh=fresh, problems=every) as run:
        if fresh:
            _remove_parts(folder)
        earlier = _earlier(folder)
        found: dict[str, PartResult] = {part.part: part for part in earlier.parts} if earlier else {}
        before = earlier.seconds if earlier else 0.0
        state: RunState = "running"
        shared: dict[str, list[Trace]] = {}
        reason: str | None = None

        def save() -> Study:
            study = Study(
                state=state,
                reason=reason,
                seconds=round(before + run.journal.seconds(), 3),
                run=str(folder),
                problems=len(every),
                failed=_failed(folder),
                parts=tuple(found[name] for name in get_args(PartName) if name in found),
            )
            _write(run, study, chosen)
            return study

        for name, part in PARTS.items():
            if chosen.only and name not in chosen.only:
                continue
            announce(name)
            try:
                found[name] = _run_part(part, name, StudyJob(chosen, every, folder / name, shown, models, shared))
            except UnfinishedRunError as error:
                state, reason = error.run.state, error.run.reason
                break
            save()
        else:
            state = "complete"
        if plot:
            write_figures(list(found.values()), folder / FIGURES)  # before the README, which shows them
        return save()


def _prepared(problems: Problems, keywords: Mapping[str, Any]) -> tuple[StudySettings, list[Problem]]:
    """Check settings, problems and models; the runs load the models again, so that their memory can be freed."""
    job = prepare_problems(StudySettings, problems, keywords, find_problems)
    return job.settings, list(job.problems.read())


def _run_part(part: Part, name: str, job: StudyJob) -> PartResult:
    """Run a part; one that cannot run says why, and does not stop the others."""
    try:
        result = part(job)
        return wait_for(_awaited(result)) if inspect.isawaitable(result) else result
    except (InputError, MissingDependencyError, NothingDoneError) as error:
        return PartResult(part=name, left_out=first_line(error))


async def _awaited(result: Awaitable[PartResult]) -> PartResult:
    return await result


def _named(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseChatModel]]:
    """Give the settings with chat models of lists replaced by their names, and all chat models by their names."""
    models: dict[str, BaseChatModel] = {}

    def named(role: str, model: Any) -> Any:
        if not isinstance(model, Runnable):
            return model
        plain = plain_model(role, model)
        name = name_of(plain)
        if models.setdefault(name, plain) is not plain:  # type: ignore[arg-type]
            raise InputError(f"two different models are called {name!r}; give each a name of its own.")
        return name

    given = dict(settings)
    for role in ("actor", "critic"):
        if role in given:
            named(role, given[role])  # which `prepare` replaces
    for role in ("actors", "critics"):
        if isinstance(given.get(role), Sequence) and not isinstance(given[role], str):
            given[role] = tuple(named(role, model) for model in given[role])
    return given, models


def _earlier(folder: Path) -> Study | None:
    """Give what earlier commands in this folder have measured."""
    try:
        return Study.model_validate_json((folder / RESULT).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise InputError(
            f"{folder / RESULT} is no result of a study. Remove it: the same command makes it again."
        ) from None


def _write(run: RunFolder, study: Study, settings: StudySettings) -> None:
    content = orjson.dumps(study.model_dump(mode="json", by_alias=True), option=orjson.OPT_INDENT_2)
    write_atomically(run.path / RESULT, [content, b"\n"])
    write_atomically(run.path / CARD, [readme(study, settings).encode()])
    run.write_manifest(study.state, reason=study.reason)


def _failed(folder: Path) -> int:
    """Count the problems that failed in the runs of a study."""
    manifests = [read_manifest(file.parent) or {} for file in folder.glob(f"*/**/{MANIFEST}")]
    return sum(m.get("outcomes", {}).get(name, 0) for m in manifests for name in ("failed", "quarantined"))


def _remove_parts(folder: Path) -> None:
    """Remove what the parts left."""
    for name in (*RUNS, FIGURES, *get_args(PartName)):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            rmtree(folder / name)
    for name in (RESULT, CARD):
        (folder / name).unlink(missing_ok=True)
