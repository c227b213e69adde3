"""The card of a data set of self-talk: how it was made, what is in it, at what cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from critique_graph.core.files import write_atomically
from critique_graph.core.prompts import Prompts
from critique_graph.core.prompts_file import prompts_yaml
from critique_graph.core.role_model import model_name
from critique_graph.graphs.prompts import prompt_hash, talk_prompts
from critique_graph.output.cards import (
    CARD,
    card,
    cost_section,
    fields_section,
    hub_header,
    licence_section,
    prompts_section,
    settings_section,
    source_of,
    table,
)
from critique_graph.self_talk.dataset import TALK_ROW_SCHEMA, TALKS, TalkRow
from critique_graph.self_talk.summary import TalkSummary

NODES = ("solve", "critique", "refine", "smooth")


def write_talk_card(folder: Path, summary: TalkSummary, settings: Mapping[str, Any], prompts: Prompts) -> None:
    """Write the card of the data set in `folder`.

    Args:
        folder: Where the data set is.
        summary: What the run found.
        settings: The settings of the run.
        prompts: The wording of its prompts.
    """
    source = source_of(str(settings["problems"]))
    repaired, right = summary.repaired_share, summary.right_share
    actor, critic, smoother = (model_name(settings[role]) for role in ("actor", "critic", "smoother"))
    text = card(
        f"Self-talk about {summary.done} problems",
        f"""\
These are {summary.kept} paths with a critic's words after every step. `critique-graph self-talk` made them from
{settings["problems"]}. Correct as first written: {summary.right}. Repaired until the critic found no error:
{summary.repaired}.
All of them end in the reference answer. What the critic says of single steps was not checked.

- Actor: {actor}. Critic: {critic}. Smoother: {smoother}.""",
        {
            "What became of the paths": f"""\
Of the paths that were wrong as first written, {repaired.percent()} were repaired (n = {repaired.n}). Of the paths that
were correct, {right.percent()} were kept (n = {right.n}). Both shares count paths that came to the same talk as
another path; both have 95 % intervals (Wilson).

{table(("mistakes in a talk", "talks"), summary.kept_by_repairs.items())}

{table(("dropped", "talks"), summary.dropped.items())}""",
            "Cost": cost_section(summary.calls, summary.tokens, summary.seconds),
            "Fields": fields_section(TALK_ROW_SCHEMA, TalkRow),
            "Settings": settings_section(settings),
            "Prompts": prompts_section(
                prompts_yaml(prompts, NODES),
                {node: prompt_hash(asked) for node, asked in talk_prompts(prompts).items()},
            ),
            "Licence and citation": licence_section(source),
        },
        header=hub_header("Self-talk", source, TALKS, summary.kept, tag="self-talk"),
    )
    write_atomically(folder / CARD, [text.encode()])
