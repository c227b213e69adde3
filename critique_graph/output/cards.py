"""The card of a data set: how it was made, what is in it, at what cost; its YAML header is the hub's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

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
