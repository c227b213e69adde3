"""The data card of a critique data set: a README.md for the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from critique_graph.core.files import write_atomically
from critique_graph.core.schema import STAGES, STRATEGIES
from critique_graph.generate.dataset import ROW_SCHEMA, TRAIN, CritiqueRow
from critique_graph.generate.funnel import GenerationSummary
from critique_graph.generate.table import quality_rows
from critique_graph.graphs.prompts import prompt_hash
from critique_graph.output.cards import (
    CARD,
    METHOD,
    _listed,
    fields_of,
    header,
    licence_of,
    published,
    source_of,
    table,
)


def write_card(
    folder: Path, summary: GenerationSummary, settings: Mapping[str, Any], prompts: Mapping[str, str]
) -> None:
    """Write the card of the data set in `folder`.

    Args:
        folder: Where the data set is.
        summary: What the run found.
        settings: What it was made with.
        prompts: The wording of its prompts, by node.
    """
    source = source_of(str(settings["problems"]))
    stages = [
        (stage, strategy, passage.in_, passage.out, _listed(passage.dropped))
        for stage in STAGES
        for strategy, passage in summary.funnel[stage].items()
    ]
    kept = ", ".join(f"{summary.kept_by_strategy[strategy]} {strategy}" for strategy in STRATEGIES)
    costs = [(role, f"{calls:,}", f"{summary.tokens.get(role, 0):,}") for role, calls in summary.calls.items() if calls]
    hashes = ", ".join(f"{name} `{prompt_hash(wording)}`" for name, wording in prompts.items())
    citations = "\n\n".join(text for text in (METHOD, source.citation) if text)
    card = f"""{header("Step-level critiques", source, TRAIN, summary.rows, tag="critique")}
# Step-level critiques of {summary.done} problems

{summary.rows} critiques, of {summary.kept} that were kept ({kept}), made by `critique-graph generate` from
{settings["problems"]}.
Every verdict agrees with the reference answer. Critiques of wrong answers were kept because the actor's refinements
with them came out right, and more often than without them; those of right answers because refinements stay right.

- Actor: {settings["actor"]}. Annotator: {settings["annotator"]}. Errors of rg3 inserted by: {settings["corruptor"]}.

## Quality

{table(("what", "figure"), quality_rows(summary))}

Rates come with their 95 % interval (Wilson). Refinements of one path are taken for independent, and each flawed path
was tried until its case was clear.

## Funnel

{table(("stage", "strategy", "in", "out", "dropped"), stages)}

## Cost

{table(("role", "calls", "tokens"), costs)}

{summary.tokens["total"]:,} tokens and {summary.seconds:.0f} s in all.

## Fields

One JSON object a line, `{ROW_SCHEMA}`.

{table(("field", "type", ""), fields_of(CritiqueRow))}

## Settings

{table(("setting", "value"), published(settings))}

Prompts, by the first digits of their SHA-256: {hashes}.

## Licence and citation

{licence_of(source)}

```bibtex
{citations}
```
"""
    write_atomically(folder / CARD, [card.encode()])
