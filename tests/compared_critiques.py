"""A run of `generate` with three critiques of one wrong path of each problem: of no use, of some, and helpful."""

from pathlib import Path
from typing import Any

from fakes import ScriptedModel
from killable_generation import JUDGED_WRONG, PROBLEMS, RIGHT, WRONG

from critique_graph.generate.make import generate_data

HELPS, HALF_HELPS = "to double is times 2", "who knows"
HELPFUL, USELESS, HALF = (JUDGED_WRONG.replace("because", why) for why in (HELPS, "alas", HALF_HELPS))
"""Refinements with them are right, wrong, and right in every other case."""


def generate(run: Path) -> None:
    """Make it."""
    actor, annotator = ScriptedModel(), ScriptedModel(replies=[USELESS, HALF, HELPFUL] * len(PROBLEMS))

    def answer(messages: Any) -> str:
        text = messages[-1].text
        if HALF_HELPS in text:
            return RIGHT if len(actor.prompts) % 2 else WRONG
        return RIGHT if HELPS in text else WRONG

    actor.answer = answer
    generate_data(
        PROBLEMS,
        out=run,
        actor=actor,
        annotator=annotator,
        strategies=("rg1",),
        samples=1,
        critiques=3,
        annotator_temperature=1.0,
        refinements=4,
        concurrency=1,
    )
