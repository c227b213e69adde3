"""The data card of a critique data set: a README.md for the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from critique_graph.core.files import write_atomically
from critique_graph.core.paths import FUNNEL_STAGES, PATH_SOURCES
from critique_graph.core.prompts import Prompts
from critique_graph.core.prompts_file import prompts_yaml
from critique_graph.core.role_model import model_name
from critique_graph.generate.dataset import ROW_SCHEMA, TRAIN, CritiqueRow
from critique_graph.generate.funnel import GenerationSummary
from critique_graph.generate.table import quality_rows
from critique_graph.graphs.prompts import data_prompts, prompt_hash
from critique_graph.output.cards import (
    CARD,
    card,
    cost_section,
    counted,
    fields_section,
    hub_header,
    licence_section,
    prompts_section,
    settings_section,
    source_of,
    table,
)

FILTERED = """\
A critique of a wrong response was kept because the actor's refinements with it came out correct, and more often than
refinements without it. A critique of a correct response was kept because refinements with it stayed correct."""
UNFILTERED = "No critique was tried by refinements, so none is known to help."
NODES = ("solve", "critique", "refine", "annotate", "corrupt")


def write_card(folder: Path, summary: GenerationSummary, settings: Mapping[str, Any], prompts: Prompts) -> None:
    """Write the card of the data set in `folder`.

    Args:
        folder: Where the data set is.
        summary: What the run found.
        settings: The settings of the run.
        prompts: The wording of its prompts.
    """
    source = source_of(str(settings["problems"]))
    kept = ", ".join(f"{summary.kept_by_strategy[strategy]} {strategy}" for strategy in PATH_SOURCES)
    text = card(
        f"Step-level critiques of {summary.done} problems",
        f"""\
`critique-graph generate` made this data set from {settings["problems"]}. It kept {summary.kept} critiques ({kept});
{summary.rows} of them are in the data set.
Every verdict agrees with the reference answer. {FILTERED if settings["refinements"] else UNFILTERED}

- Actor: {model_name(settings["actor"])}. Annotator: {model_name(settings["annotator"])}.
- Corruptor, which inserts the errors of rg3: {model_name(settings["corruptor"])}.""",
        {
            "Quality": f"""\
{table(("what", "figure"), quality_rows(summary))}

Every rate has its 95 % interval (Wilson), which treats the refinements of one path as independent. The refinements of a
path stop as soon as the outcome is decided; none are made without a critique with which too few are correct.""",
            "Funnel": table(
                ("stage", "strategy", "in", "out", "dropped"),
                (
                    (stage, strategy, passage.in_, passage.out, counted(passage.dropped))
                    for stage in FUNNEL_STAGES
                    for strategy, passage in summary.funnel[stage].items()
                ),
            ),
            "Cost": cost_section(summary.calls, summary.tokens, summary.seconds),
            "Fields": fields_section(ROW_SCHEMA, CritiqueRow),
            "Settings": settings_section(settings),
            "Prompts": prompts_section(
                prompts_yaml(prompts, NODES),
                {node: prompt_hash(asked) for node, asked in data_prompts(prompts).items()},
            ),
            "Licence and citation": licence_section(source),
        },
        header=hub_header("Step-level critiques", source, TRAIN, summary.rows, tag="critique"),
    )
    write_atomically(folder / CARD, [text.encode()])
