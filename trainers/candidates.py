"""Candidates for training rows, from data sets of `generate` and `self-talk` and from traces."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from critique_graph.core.critique import is_readable
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Chain, FlawedPath, Trace, is_right
from critique_graph.core.steps import is_shortcut, split_steps
from critique_graph.generate.dataset import CritiqueRow, find_dataset, read_dataset
from critique_graph.generate.funnel import PathsTrace, read_paths_traces
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.load import is_test_set
from critique_graph.runs.folder import JOURNAL, TRACES
from critique_graph.runs.journal import read_journal
from critique_graph.runs.traces import read_traces
from critique_graph.self_talk.dataset import TalkRow, find_talks, read_talks
from critique_graph.trainers.rows import AnyRow, StepRow, Task, preference_row, row


class Candidate(NamedTuple):
    """A row that could be learned, and what a selection goes by."""

    row: AnyRow
    problem: str
    level: int | None
    is_right: bool
    """Whether the response that it is about, or that it learns, was right as it was first written."""


def read_candidates(path: Path, task: Task, *, with_reasoning: bool = False) -> Iterator[Candidate]:
    """Give the rows of one task in a data set of `generate` or `self-talk`, or in the traces of `run`.

    Raises:
        InputError: There is none, it has no rows of the task, or the problems are for tests.
    """
    if (talks := find_talks(path)) is not None:
        yield from talk_candidates(read_talks(talks), task)
    elif task == "critic-preference":
        yield from critic_preferences(_read_paths(path))
    elif find_dataset(path) is not None:
        yield from dataset_candidates(read_dataset(path), task, with_reasoning=with_reasoning)
    elif path.name == TRACES or (path / JOURNAL).exists() or (path / TRACES).exists():
        yield from trace_candidates(read_traces(path), task, with_reasoning=with_reasoning)
    else:
        raise InputError(
            f"{path}: there is no data set here, nor traces. Give a run folder of `generate`, `self-talk` or `run`."
        )


def talk_candidates(rows: Iterable[TalkRow], task: Task) -> Iterator[Candidate]:
    """Turn talks into rows of one task.

    - `self-talk`: problem, to the talk. Its wrong steps are learned with the rest, as parts of what puts them right.
    - `self-correction`: problem, to whole path, whole critique, whole repaired path, and so on, as one text.
    - `actor`: problem, to the path at its end: the same data without anything said of it.

    Raises:
        InputError: Talks hold no rows of the task.
    """
    for talk in rows:
        if task == "self-talk":
            text = talk.self_talk
        elif task == "self-correction":
            text = corrected(*talk.trajectory)
        elif task == "actor":
            text = talk.path
        else:
            raise InputError(
                f"self-talk holds no rows of {task}: it has those of self-talk, self-correction and actor."
            )
        made = row(solve_messages(talk.question), text)
        yield Candidate(made, talk.id.rpartition("/")[0], talk.level, talk.is_correct)


def corrected(*parts: str) -> str:
    """Join whole responses and whole critiques to what one model writes that corrects itself; its answer comes last."""
    return "\n\n".join(part.strip() for part in parts)


def _refuse_self_talk(task: Task) -> None:
    if task == "self-talk":
        raise InputError("rows of self-talk come from a run folder of `critique-graph self-talk`.")


def _read_paths(run: Path) -> Iterator[PathsTrace]:
    if not (run / JOURNAL).is_file():
        raise InputError(
            f"{run} is no run folder of `generate`: a data set alone lacks the critiques that did not help."
        )
    return read_paths_traces(read_journal(run / JOURNAL))


def critic_preferences(traces: Iterable[PathsTrace]) -> Iterator[Candidate]:
    """Turn the critiques of each path into a row: one that was kept rather than the one that helped least.

    What they are worth is the share of refinements with them that came out right (the filter's Monte Carlo). Critiques
    that were dropped before they were tried make no row. Which pairs to learn is ours: the paper has no such training.
    """
    for trace in traces:
        tried: defaultdict[str, list[FlawedPath]] = defaultdict(list)
        for path in trace.paths:
            if path.trial is not None and path.critique is not None:
                tried[path.name.partition(".")[0]].append(path)
        for paths in tried.values():
            best, worst = max(paths, key=_worth), min(paths, key=_worth)
            if best.drop is None and worst.drop is not None and _worth(best) > _worth(worst):
                assert best.response is not None
                assert best.critique is not None
                assert worst.critique is not None
                prompt = critique_messages(trace.problem.question, best.response.text)
                made = preference_row(prompt, best.critique.text, worst.critique.text)
                yield Candidate(made, trace.problem.id, trace.problem.level, is_right(best.response))


def _worth(path: FlawedPath) -> float:
    assert path.trial is not None
    return path.trial.right_with / path.trial.tried


def dataset_candidates(rows: Iterable[CritiqueRow], task: Task, *, with_reasoning: bool = False) -> Iterator[Candidate]:
    """Turn kept critiques into rows of one task.

    - `critic`: problem and response, to the critique; `with_reasoning` to what the annotator wrote before it, too.
    - `refiner`: problem, wrong response and critique, to a right refinement.
    - `actor`: problem, to the right response, or to the right refinement of a wrong one.
    - `preference`: problem, to a right refinement rather than the wrong response.
    - `step-critic`: problem and steps, to whether each is right. What follows the first wrong step has no label and is
      left out; a wrong response whose critique finds no wrong step gives no row.
    - `self-correction`: problem, to the response, its critique, and the right refinement of a wrong one, as one text.

    Raises:
        InputError: Critiques hold no rows of the task.
    """
    _refuse_self_talk(task)
    for kept in rows:
        problem = kept.id.rpartition("/")[0]
        right = kept.response if kept.is_correct else kept.refinement
        made: AnyRow | None = None
        if task == "critic":
            learned = with_thoughts(kept.critique, kept.reasoning if with_reasoning else None)
            made = row(critique_messages(kept.question, kept.response), learned)
        elif task == "actor" and right is not None:
            made = row(solve_messages(kept.question), right)
        elif task == "refiner" and not kept.is_correct and right is not None:
            made = row(refine_messages(kept.question, kept.response, kept.critique), right)
        elif task == "preference" and not kept.is_correct and right is not None:
            made = preference_row(solve_messages(kept.question), right, kept.response)
        elif task == "step-critic":
            made = _step_row(kept.question, kept.response, kept.first_error, kept.is_correct)
        elif task == "self-correction" and right is not None:
            parts = [kept.response, kept.critique] if kept.is_correct else [kept.response, kept.critique, right]
            made = row(solve_messages(kept.question), corrected(*parts))
        if made is not None:
            yield Candidate(made, problem, kept.level, kept.is_correct)


def with_thoughts(critique: str, reasoning: str | None) -> str:
    """Put what a critic thought before its critique, as models write it."""
    return f"<think>\n{reasoning}\n</think>\n\n{critique}" if reasoning else critique


def trace_candidates(traces: Iterable[Trace], task: Task, *, with_reasoning: bool = False) -> Iterator[Candidate]:
    """Turn traces of the loop into rows of one task; only responses with a grade count.

    - `critic`: critiques whose verdict agrees with the reference; of a wrong response only where the refinement came
      out right. `with_reasoning` to what the critic thought before it, too, unless a person has changed the critique.
    - `refiner`: refinements of wrong responses that came out right, and were worked out (`is_shortcut`).
    - `actor`: right responses, refined ones too.
    - `preference`: such refinements rather than the wrong responses.
    - `step-critic`: steps as such critiques judge them.
    - `self-correction`: response, such a critique, and the right refinement of a wrong response, as one text.

    Raises:
        InputError: The problems are for tests, or traces hold no rows of the task.
    """
    _refuse_self_talk(task)
    for trace in traces:
        if is_test_set(str(trace.settings.get("problems", ""))):
            raise InputError(
                f"{trace.problem.id} is a test problem (of {trace.settings['problems']}); train on others, e.g. those "
                "of `critique-graph miniature problems --split train`."
            )
        for chain in trace.chains:
            for made, was_right in _rows_of_chain(trace.problem.question, chain, task, with_reasoning):
                yield Candidate(made, trace.problem.id, trace.problem.level, was_right)


def _rows_of_chain(question: str, chain: Chain, task: Task, with_reasoning: bool) -> Iterator[tuple[AnyRow, bool]]:
    """Give the rows of a chain, each with whether its response was right."""
    before = chain.response
    if task == "actor" and before is not None and is_right(before):
        yield row(solve_messages(question), before.text), True
    for step in chain.rounds:
        if before is None or before.grade is None or before.grade.outcome == "ungraded":
            return
        was_right, refined, critique = is_right(before), step.refinement, step.critique
        is_better = refined is not None and is_right(refined) and not is_shortcut(refined.text, before.text)
        agrees = critique.final == ("correct" if was_right else "wrong") and is_readable(critique)
        if task == "critic" and agrees and (was_right or is_better):
            reasoning = step.call.reasoning if with_reasoning and not step.is_edited else None
            yield row(critique_messages(question, before.text), with_thoughts(critique.text, reasoning)), was_right
        elif task == "step-critic" and agrees and (was_right or is_better):
            if steps := _step_row(question, before.text, critique.first_wrong_step, was_right):
                yield steps, was_right
        elif task == "self-correction" and agrees and (was_right or is_better):
            refinement = [] if was_right or refined is None else [refined.text]
            yield row(solve_messages(question), corrected(before.text, critique.text, *refinement)), was_right
        elif refined is not None and is_better and not was_right:
            if task == "refiner":
                yield row(refine_messages(question, before.text, critique.text), refined.text), False
            elif task == "actor":
                yield row(solve_messages(question), refined.text), False
            elif task == "preference":
                yield preference_row(solve_messages(question), refined.text, before.text), False
        before = refined if step.is_refined else before


def _step_row(question: str, response: str, first_wrong: int | None, is_right: bool) -> StepRow | None:
    """Label a response's steps; None for a wrong one without a wrong step."""
    steps = list(split_steps(response))
    if is_right:
        return {"prompt": question, "completions": steps, "labels": [True] * len(steps)}
    if first_wrong is None:
        return None
    labels = [*[True] * first_wrong, False]
    return {"prompt": question, "completions": steps[: first_wrong + 1], "labels": labels}
