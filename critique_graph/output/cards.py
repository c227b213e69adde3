"""The card of a data set: how it was made, what is in it, at what cost; its YAML header is the hub's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from critique_graph.core.files import write_atomically
from critique_graph.core.schema import STAGES, STRATEGIES
from critique_graph.generate.dataset import ROW_SCHEMA, TRAIN, CritiqueRow
from critique_graph.generate.funnel import GenerationSummary
from critique_graph.graphs.prompts import prompt_hash
from critique_graph.solve.table import quality_rows

CARD = "README.md"

METHOD = """\
@article{xi2024enhancing,
  title = {Enhancing {LLM} Reasoning via Critique Models with Test-Time and Training-Time Supervision},
  author = {Xi, Zhiheng and others},
  journal = {arXiv:2411.16579},
  year = {2024}
}"""


@dataclass(frozen=True)
class Source:
    """A problem set whose licence is known."""

    licence: str
    """As the hub calls it."""
    citation: str = ""
    """BibTeX."""


_GSM8K = Source(
    "mit",
    """\
@article{cobbe2021training,
  title = {Training Verifiers to Solve Math Word Problems},
  author = {Cobbe, Karl and others},
  journal = {arXiv:2110.14168},
  year = {2021}
}""",
)
_MATH = Source(
    "mit",
    """\
@article{hendrycks2021measuring,
  title = {Measuring Mathematical Problem Solving With the {MATH} Dataset},
  author = {Hendrycks, Dan and others},
  journal = {NeurIPS Datasets and Benchmarks},
  year = {2021}
}""",
)
SOURCES: dict[str, Source] = {
    "miniature": Source("apache-2.0"),
    "openai/gsm8k": _GSM8K,
    "EleutherAI/hendrycks_math": _MATH,
}
"""By name: `miniature`, or a data set of the hub."""
UNKNOWN = Source("unknown")


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


def header(name: str, source: Source, file: str, rows: int, *, tag: str) -> str:
    """Write the hub's YAML header of a data set in one file."""
    fields = {
        "pretty_name": name,
        "license": source.licence,
        "language": ["en"],
        "task_categories": ["text-generation"],
        "tags": ["math", tag, "critique-graph"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": file}]}],
        "size_categories": [_size(rows)],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---"


def source_of(problems: str) -> Source:
    """Give what is known of a problem set by its name, e.g. `hf:openai/gsm8k:main:train`."""
    name = problems.split(":")[1] if problems.startswith("hf:") else problems
    return SOURCES.get(name, UNKNOWN)


def licence_of(source: Source) -> str:
    """Say under which terms the data are."""
    if source is UNKNOWN:
        return (
            "The licence of the problems is not known to the program that wrote this: state it in the header before "
            "you publish. Responses and critiques are under the terms of the models that wrote them."
        )
    return f"The problems are under {source.licence}; what the models wrote is under the terms of these."


def fields_of(row: type[BaseModel]) -> Iterable[tuple[str, str, str]]:
    """Give the name, the types and the meaning of every field of a row."""
    fields = row.model_json_schema()["properties"]
    for name, field in fields.items():
        types = [field, *field.get("anyOf", ())]
        kinds = " or ".join(str(kind["type"]) for kind in types if "type" in kind)
        yield f"`{name}`", kinds, re.sub(r"\s+", " ", field.get("description", ""))


def published(settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Give the settings to publish: addresses of servers are nobody's business."""
    for name, value in sorted(settings.items()):
        if not name.endswith("base_url"):
            yield f"`{name}`", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "-"


def _size(rows: int) -> str:
    """Give the hub's size category."""
    for most, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < most:
            return name
    return "1M<n<10M"
