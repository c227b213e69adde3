"""Candidates for training rows, from data sets of `generate` and `self-talk`, from traces, and from released data."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from critique_graph.core.critique import parse_critique
from critique_graph.core.dataset_row import DatasetRow
from critique_graph.core.errors import InputError
from critique_graph.core.paths import ReasoningPath
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.prompts_file import read_prompts
from critique_graph.core.schema import Response, Trace
from critique_graph.generate.dataset import CritiqueRow, find_dataset, read_dataset
from critique_graph.generate.funnel import PathsTrace, read_paths_traces
from critique_graph.generate.mathcritique import MathCritiqueExample, is_mathcritique, read_mathcritique
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.held_out import fingerprint, is_test_set, public_test_set, refuse_test_question
from critique_graph.problems.labelled import is_labelled, labelled_problem, test_sets_of
from critique_graph.problems.rows import file_rows
from critique_graph.runs.folder import JOURNAL, TRACES
from critique_graph.runs.journal import read_journal
from critique_graph.runs.traces import read_traces
from critique_graph.self_talk.dataset import TalkRow, find_talks, read_talks
from critique_graph.tasks.shipped import known_task, recorded_wording
from critique_graph.trainers.generated_critiques import judged_paths
from critique_graph.trainers.rows import AnyRow, StepRow, Task, preference_row, row
from critique_graph.trainers.tasks import ROW_MAKERS, Judged, corrected

logger = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """A row that could be learned, with the facts by which `select` chooses rows."""

    row: AnyRow
    problem: str
    level: int | None
    is_correct: bool
    """Whether the response that the row judges, corrects or teaches was correct when it was first written."""
    test_sets: Sequence[str] = ()
    """Names of the public test sets that the problem, or the response, belongs to."""


def read_candidates(path: Path, task: Task, *, with_reasoning: bool = False) -> Iterator[Candidate]:
    """Give the rows of one task in a data set of `generate` or `self-talk`, in traces of `run`, or in released data.

    Raises:
        InputError: The path holds neither a data set nor traces, it has no rows of the task, or its problems are test
            problems.
    """
    if (talks := find_talks(path)) is not None:
        yield from talk_candidates(read_talks(talks), task)
    elif task == "critic-preference":
        yield from critic_preferences(_read_paths(path))
    elif task == "critic-kto" and find_dataset(path) is not None:
        yield from _candidates(judged_paths(_read_paths(path)), task, with_reasoning)
    elif is_mathcritique(path):
        yield from released_candidates(path, task)
    elif is_labelled(path):
        yield from warned(labelled_candidates(path, task), path)
    elif find_dataset(path) is not None:
        yield from dataset_candidates(read_dataset(path), task, with_reasoning=with_reasoning)
    elif path.name == TRACES or (path / JOURNAL).exists() or (path / TRACES).exists():
        yield from trace_candidates(read_traces(path), task, with_reasoning=with_reasoning)
    else:
        raise InputError(
            f"{path}: there is no data set here, nor traces. Give a run folder of `generate`, `self-talk` or `run`."
        )


TALK_TEXTS: dict[Task, Callable[[TalkRow], str]] = {
    "self-talk": lambda talk: talk.self_talk,
    "self-correction": lambda talk: corrected(*talk.trajectory),
    "actor": lambda talk: talk.path,
}
"""The text that each task learns from a talk: the talk itself, with its wrong steps, their critiques and their repairs;
its whole paths and whole critiques in alternation, as one text; or its final path, without any critique."""


def talk_candidates(rows: Iterable[TalkRow], task: Task) -> Iterator[Candidate]:
    """Turn talks into rows of one task: from the problem to a text of the talk.

    Raises:
        InputError: Talks hold no rows of the task, or a problem is a test problem.
    """
    text_of = TALK_TEXTS.get(task)
    for talk in rows:
        refuse_test_question(talk.problem, talk.question)
        if text_of is None:
            *names, last = TALK_TEXTS
            raise InputError(f"self-talk holds no rows of {task}: it has those of {', '.join(names)} and {last}.")
        made = row(solve_messages(talk.question, _wording(talk)), text_of(talk))
        yield Candidate(made, talk.problem, talk.level, talk.is_correct)


def _read_paths(run: Path) -> Iterator[PathsTrace]:
    if not (run / JOURNAL).is_file():
        raise InputError(
            f"{run} is no run folder of `generate`: a data set alone lacks the critiques that did not help."
        )
    return read_paths_traces(read_journal(run / JOURNAL))


def critic_preferences(traces: Iterable[PathsTrace]) -> Iterator[Candidate]:
    """Turn the critiques of each path into a row that prefers the best critique, if it was kept, to the worst.

    A critique is rated by the share of its refinements that are correct (the filter's Monte Carlo estimate). A critique
    that was dropped before it was tried makes no row. The choice of pairs is ours: the paper has no such training.
    """
    for trace in traces:
        refuse_test_question(trace.problem.id, trace.problem.question)
        tried: defaultdict[str, list[ReasoningPath]] = defaultdict(list)
        for path in trace.paths:
            if path.trial is not None and path.trial.tried and path.critique is not None:
                tried[path.path_name].append(path)
        for paths in tried.values():
            best, worst = max(paths, key=_worth), min(paths, key=_worth)
            if best.drop is None and worst.drop is not None and _worth(best) > _worth(worst):
                assert best.response is not None
                assert best.critique is not None
                assert worst.critique is not None
                prompt = critique_messages(trace.problem.question, best.response.text, recorded_wording(trace.settings))
                made = preference_row(prompt, best.critique.text, worst.critique.text)
                yield Candidate(made, trace.problem.id, trace.problem.level, bool(best.response.is_correct))


def _worth(path: ReasoningPath) -> float:
    assert path.trial is not None
    return path.trial.right_with / path.trial.tried


def dataset_candidates(rows: Iterable[CritiqueRow], task: Task, *, with_reasoning: bool = False) -> Iterator[Candidate]:
    """Turn kept critiques into rows of one task; `with_reasoning` also teaches a critic the annotator's reasoning.

    Raises:
        InputError: Critiques hold no rows of the task, or a problem is a test problem.
    """
    return _candidates(map(judged_row, rows), task, with_reasoning)


def judged_row(kept: CritiqueRow) -> Judged:
    """Turn a row of a data set into a judged response; the critique was kept, so it is reliable."""
    return Judged(
        problem=kept.problem,
        level=kept.level,
        question=kept.question,
        response=kept.response,
        is_correct=kept.is_correct,
        critique=kept.critique,
        is_reliable=True,
        reasoning=kept.reasoning,
        first_error=kept.first_error,
        refinement=None if kept.is_correct else kept.refinement,
        prompts=_wording(kept),
    )


def _wording(kept: DatasetRow) -> Prompts:
    return DEFAULT_PROMPTS if kept.prompts is None else read_prompts(kept.prompts)


def released_candidates(file: Path, task: Task) -> Iterator[Candidate]:
    """Turn released MathCritique data into rows of one task; what is of no use is left out, with a warning.

    Raises:
        InputError: The file holds no rows of the task.
    """
    return _candidates(map(judged_example, read_mathcritique(file, refusal=why_unreliable)), task, False)


def judged_example(example: MathCritiqueExample) -> Judged:
    """Turn a released example into a judged response: it is wrong, and its refinement is correct."""
    return Judged(
        problem=fingerprint(example.question),
        level=None,
        question=example.question,
        response=example.response,
        is_correct=False,
        critique=example.critique,
        is_reliable=True,
        first_error=parse_critique(example.critique, example.response).first_wrong_step,
        refinement=example.refinement,
    )


def why_unreliable(example: MathCritiqueExample) -> str | None:
    """Say why nothing is to be learned from a released example; None if something is."""
    if (name := public_test_set(example.question)) is not None:
        return f"a question of {name}"
    critique = parse_critique(example.critique, example.response)
    if not critique.is_readable:
        return "a critique that cannot be read"
    return "a critique that calls the wrong response correct" if critique.final == "correct" else None


def labelled_candidates(file: Path, task: Task) -> Iterator[Candidate]:
    """Turn responses in the format of ProcessBench into rows of step critics: steps up to the first wrong one.

    Raises:
        InputError: A row cannot be used, or the task is another one.
    """
    if task != "step-critic":
        raise InputError(f"{file} holds labelled steps: they make rows of step-critic alone, not of {task}.")
    for index, found in enumerate(file_rows(file)):
        case = labelled_problem(found, str(file), index)
        is_correct = case.label == NO_ERROR
        judged = len(case.steps) if case.label is None or is_correct else case.label + 1
        made: StepRow = {
            "prompt": case.question,
            "completions": list(case.steps[:judged]),
            "labels": [*[True] * (judged - 1), is_correct],
        }
        yield Candidate(made, fingerprint(case.question), None, is_correct, test_sets_of(found, case.question))


def warned(candidates: Iterable[Candidate], source: Path) -> Iterator[Candidate]:
    """Pass candidates on; a warning at the end says how many are of public test sets."""
    found: Counter[str] = Counter()
    for candidate in candidates:
        found.update(candidate.test_sets)
        yield candidate
    if found:
        logger.warning("%s: %s", source, about_test_sets(found))


def about_test_sets(found: Mapping[str, int]) -> str:
    """Say that rows of public test sets are learned, and what follows."""
    listed = " and ".join(f"{count} of {name}" for name, count in found.items())
    return f"there are rows of test sets ({listed}): figures on these say nothing about a model that learns from them"


def trace_candidates(
    traces: Iterable[Trace], task: Task, *, with_reasoning: bool = False, prompts: Prompts | None = None
) -> Iterator[Candidate]:
    """Turn traces of the loop into rows of one task.

    Args:
        traces: The traces.
        task: What a model learns of them.
        with_reasoning: Whether a critic also learns its own reasoning.
        prompts: Wording of the rows; None: the default for problems of mathematics, that of the run for others.

    Raises:
        InputError: The problems are test problems, or traces hold no rows of the task.
    """

    def judged() -> Iterator[Judged]:
        for trace in traces:
            wording = recorded_wording(trace.settings) if prompts is None else prompts
            for found in judged_responses(trace):
                yield replace(found, prompts=wording)

    return _candidates(judged(), task, with_reasoning)


def judged_responses(trace: Trace) -> Iterator[Judged]:
    """Give the graded responses of a trace.

    A critique is reliable if it can be read, its verdict agrees with the reference and, for a wrong response, the
    refinement is correct; it is misleading if it cannot be read, or its verdict disagrees. A refinement that gives the
    answer without working it out (`Task.is_shortcut`) does not count. A critique that a person has edited comes without
    the critic's reasoning, because that led to a different critique.

    Raises:
        InputError: The problem is a test problem.
    """
    problem = trace.problem
    if is_test_set(str(trace.settings.get("problems", ""))):
        raise InputError(
            f"{problem.id} is a test problem (of {trace.settings['problems']}); train on others, e.g. those "
            "of `critique-graph miniature problems --split train`."
        )
    judged = partial(Judged, problem=problem.id, level=problem.level, question=problem.question)
    is_shortcut = known_task(trace.task).is_shortcut
    in_pool = {chain.parent: chain.response for chain in reversed(trace.chains) if chain.told == 0}
    for chain in trace.chains:
        before = chain.response
        if before is not None and before.is_correct is not None and not chain.rounds and not before.is_truncated:
            yield judged(response=before.text, is_correct=before.is_correct, is_first=chain.parent is None)
        for number, step in enumerate(chain.rounds):
            if before is None or before.is_correct is None:
                break
            is_correct, critique = before.is_correct, step.critique
            refinement = (
                None if is_correct else _repaired(before, step.refinement or in_pool.get(chain.index), is_shortcut)
            )
            agrees = critique.is_readable and critique.final == ("correct" if is_correct else "wrong")
            yield judged(
                response=before.text,
                own_steps=before.own_steps,
                evidence=step.evidence,
                is_correct=is_correct,
                is_first=number == 0 and chain.parent is None,
                critique=critique.text,
                is_reliable=agrees and (is_correct or refinement is not None),
                is_misleading=not agrees,
                reasoning=None if step.is_edited else step.call.reasoning,
                first_error=critique.first_wrong_step,
                refinement=refinement,
            )
            before = step.judged_next(before)


def _repaired(before: Response, refined: Response | None, is_shortcut: Callable[[str, str], bool]) -> str | None:
    """Give the text of a refinement that is correct and works out its answer; None for any other."""
    is_good = refined is not None and refined.is_correct and not is_shortcut(refined.text, before.text)
    return refined.text if refined is not None and is_good else None


def _candidates(found: Iterable[Judged], task: Task, with_reasoning: bool) -> Iterator[Candidate]:
    if task == "self-talk":
        raise InputError("rows of self-talk come from a run folder of `critique-graph self-talk`.")
    make = ROW_MAKERS.get(task)
    if make is None:  # critic-preference, which compares several critiques
        return
    for judged in found:
        refuse_test_question(judged.problem, judged.question)
        for made in make(judged if with_reasoning else replace(judged, reasoning=None)):
            yield Candidate(made, judged.problem, judged.level, judged.is_correct)
