"""Rows without an answer, for trainers that let the model write it and reward it (GRPO and its kin).

A row of `grpo` is a problem with its reference; one of `critic-grpo` is a response to judge, with whether it is
correct. Their rewards are `correctness` and `discriminability` of `rewards.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import read_prompts
from critique_graph.core.schema import Trace
from critique_graph.generate.dataset import CritiqueRow
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.held_out import is_test_set, refuse_test_question
from critique_graph.tasks.shipped import recorded_wording
from critique_graph.trainers.response_pool import response_candidates
from critique_graph.trainers.rows import PromptRow, ResponseRow, as_messages

PromptTask = Literal["grpo", "critic-grpo"]
PROMPT_TASKS: tuple[PromptTask, ...] = get_args(PromptTask)


def rows_of_traces(traces: Iterable[Trace], task: PromptTask) -> Iterator[PromptRow | ResponseRow]:
    """Give the rows of one task in traces of `run`, each once; problems without a reference make none.

    Raises:
        InputError: The problems are test problems.
    """
    for trace in traces:
        problem, wording = trace.problem, recorded_wording(trace.settings)
        refuse_test_question(problem.id, problem.question)
        if is_test_set(str(trace.settings.get("problems", ""))):
            raise InputError(f"{problem.id} is a test problem (of {trace.settings['problems']}); train on others.")
        if problem.answer is None:
            continue
        if task == "grpo":
            prompt = as_messages(solve_messages(problem.question, wording))
            yield {"prompt": prompt, "problem": problem.id, "reference": problem.answer}
            continue
        for candidate in response_candidates([trace], wording):
            yield candidate.row  # type: ignore[misc]  # that function makes rows of this kind alone


def rows_of_dataset(kept: Iterable[CritiqueRow], task: PromptTask) -> Iterator[PromptRow | ResponseRow]:
    """Give the rows of one task in a data set of `generate`, each once.

    Raises:
        InputError: A problem is a test problem.
    """
    seen: dict[str, list[str]] = {}
    for found in kept:
        refuse_test_question(found.problem, found.question)
        wording = DEFAULT_PROMPTS if found.prompts is None else read_prompts(found.prompts)
        responses = seen.setdefault(found.problem, [])
        if task == "grpo" and not responses:
            prompt = as_messages(solve_messages(found.question, wording))
            yield {"prompt": prompt, "problem": found.problem, "reference": found.reference}
        elif task == "critic-grpo" and found.response not in responses:
            yield {
                "prompt": as_messages(critique_messages(found.question, found.response, wording)),
                "problem": found.problem,
                "chain": len(responses),
                "question": found.question,
                "response": found.response,
                "reference": found.reference,
                "is_correct": found.is_correct,
            }
        responses.append(found.response)
