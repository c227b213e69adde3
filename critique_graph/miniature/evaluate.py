"""Measure a pair of models on fresh problems: the answers, the judgements, one round of the loop.

Everything is greedy and checked exactly: answers by their number, the critic's verdicts against the written
steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from langchain_core.messages import BaseMessage
from transformers import AutoTokenizer, LlamaForCausalLM

from critique_graph.critique import parse_critique
from critique_graph.intervals import Rate, paired_difference, wilson
from critique_graph.miniature.generate import generate_texts
from critique_graph.miniature.solutions import boxed_answer, check_response, first_error
from critique_graph.miniature.task import LEVELS, Exercise, Split, generate_exercises
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.schema import Critique


@dataclass(frozen=True)
class Evaluation:
    """What was measured; every rate has its 95 % interval and its n."""

    accuracy_first: Rate
    accuracy_by_level: dict[int, Rate]
    accuracy_final: Rate
    """After one round with the gate `when_wrong`: what the critic calls wrong is refined."""
    gain: Rate
    verdict_on_right: Rate
    """Right answers the critic calls correct."""
    verdict_on_wrong: Rate
    """Wrong answers the critic calls wrong."""
    located: Rate
    """Wrong answers with a wrong step, where the critic's first wrong step is the first wrong one."""
    repaired: Rate
    """Wrong answers that are right after the round."""


def evaluate_miniature(
    actor: Path, critic: Path, *, n: int = 400, seed: int = 1000, split: Split = "test"
) -> Evaluation:
    """Run one greedy round over `n` problems."""
    exercises = list(generate_exercises(n, seed=seed, split=split))
    questions = [exercise.problem.question for exercise in exercises]
    first = _answer(actor, [solve_messages(question) for question in questions])
    texts = _answer(critic, [critique_messages(q, r) for q, r in zip(questions, first, strict=True)])
    critiques = [parse_critique(_without_reasoning(t), r) for t, r in zip(texts, first, strict=True)]
    wrong = [index for index, critique in enumerate(critiques) if critique.final == "wrong"]
    refined = _answer(actor, [refine_messages(questions[i], first[i], critiques[i].text) for i in wrong])
    final = {**dict(enumerate(first)), **dict(zip(wrong, refined, strict=True))}
    return _summary(exercises, first, critiques, [final[index] for index in range(n)])


def _answer(folder: Path, prompts: Sequence[Sequence[BaseMessage]]) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return generate_texts(prompts, model=model, tokenizer=tokenizer)


def _without_reasoning(text: str) -> str:
    return text.rpartition("</think>")[2].strip()


def _summary(exercises: list[Exercise], first: list[str], critiques: list[Critique], final: list[str]) -> Evaluation:
    levels = [exercise.problem.level for exercise in exercises]
    before = [boxed_answer(text) == e.problem.answer for text, e in zip(first, exercises, strict=True)]
    after = [boxed_answer(text) == e.problem.answer for text, e in zip(final, exercises, strict=True)]
    errors = [first_error(check_response(e, text)) for text, e in zip(first, exercises, strict=True)]
    judged = list(zip(before, critiques, errors, strict=True))
    return Evaluation(
        accuracy_first=_rate(before),
        accuracy_by_level={
            level: _rate([right for right, its in zip(before, levels, strict=True) if its == level]) for level in LEVELS
        },
        accuracy_final=_rate(after),
        gain=paired_difference(before, after),
        verdict_on_right=_rate([critique.final == "correct" for right, critique, _ in judged if right]),
        verdict_on_wrong=_rate([critique.final == "wrong" for right, critique, _ in judged if not right]),
        located=_rate([_flagged(c) == error for right, c, error in judged if not right and error is not None]),
        repaired=_rate([now for was, now in zip(before, after, strict=True) if not was]),
    )


def _rate(outcomes: Sequence[bool]) -> Rate:
    return wilson(sum(outcomes), len(outcomes))


def _flagged(critique: Critique) -> int | None:
    """Index of the response's step that the critique calls wrong first."""
    return None if critique.first_error is None else critique.steps[critique.first_error].step_index
