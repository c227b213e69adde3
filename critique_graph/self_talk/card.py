"""The card of a data set of self-talk: how it was made, what is in it, at what cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from critique_graph.core.files import write_atomically
from critique_graph.graphs.prompts import prompt_hash
from critique_graph.output.cards import CARD, METHOD, fields_of, header, licence_of, published, source_of, table
from critique_graph.self_talk.dataset import TALK_ROW_SCHEMA, TALKS, TalkRow
from critique_graph.self_talk.summary import TalkSummary


def write_talk_card(
    folder: Path, summary: TalkSummary, settings: Mapping[str, Any], prompts: Mapping[str, str]
) -> None:
    """Write the card of the data set in `folder`.

    Args:
        folder: Where the data set is.
        summary: What the run found.
        settings: What it was made with.
        prompts: The wording of its prompts, by node.
    """
    source = source_of(str(settings["problems"]))
    repairs = [(number, count) for number, count in summary.kept_by_repairs.items()]
    costs = [(role, f"{calls:,}", f"{summary.tokens[role]:,}") for role, calls in summary.calls.items() if calls]
    hashes = ", ".join(f"{name} `{prompt_hash(wording)}`" for name, wording in prompts.items())
    citations = "\n\n".join(text for text in (METHOD, source.citation) if text)
    card = f"""{header("Self-talk", source, TALKS, summary.kept, tag="self-talk")}
# Self-talk about {summary.done} problems

{summary.kept} paths with a critic's words after every step, made by `critique-graph self-talk` from
{settings["problems"]}: {summary.right} right as first written, {summary.repaired} repaired until the critic found none.
All end in the reference answer. What the critic says of single steps was not checked.

- Actor: {settings["actor"]}. Critic: {settings["critic"]}. Smoother: {settings["smoother"]}.

## What became of the paths

Of the wrong ones {summary.repaired_share.percent()} were repaired (n = {summary.repaired_share.n}), of the right ones
{summary.right_share.percent()} kept (n = {summary.right_share.n}), copies included (95 % intervals, Wilson).

{table(("mistakes in a talk", "talks"), repairs)}

{table(("dropped", "talks"), summary.dropped.items())}

## Cost

{table(("role", "calls", "tokens"), costs)}

{summary.tokens["total"]:,} tokens and {summary.seconds:.0f} s in all.

## Fields

One JSON object a line, `{TALK_ROW_SCHEMA}`.

{table(("field", "type", ""), fields_of(TalkRow))}

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
