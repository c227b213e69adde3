"""The card of a data set or a model: a README.md that says what it is, how it was made, and at what cost.

`card` builds it. The verb that writes a card gives the title, the lead and the sections that only it has; the sections
that several cards share, and the hub's YAML header, are made here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter

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
    """The licence's identifier on the hub."""
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
"""Problem sets by name: `miniature`, or the name of a data set on the hub."""
UNKNOWN = Source("unknown")


def card(title: str, lead: str, sections: Mapping[str, str], *, header: str = "") -> str:
    """Build a card.

    Args:
        title: What the data set or the model is.
        lead: What a reader must know first, in Markdown.
        sections: The other sections in Markdown, by heading; an empty section is left out.
        header: The YAML header for the hub (`hub_header`).
    """
    parts = [f"# {title}", lead, *(f"## {heading}\n\n{text}" for heading, text in sections.items() if text)]
    text = "\n\n".join(parts) + "\n"
    return f"{header}\n{text}" if header else text


def hub_header(name: str, source: Source, file: str, rows: int, *, tag: str) -> str:
    """Write the hub's YAML header for a data set that is one file."""
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
    """Give what is known about a problem set by its name, e.g. `hf:openai/gsm8k:main:train`."""
    name = problems.split(":")[1] if problems.startswith("hf:") else problems
    return SOURCES.get(name, UNKNOWN)


def cost_section(calls: Mapping[str, int], tokens: Mapping[str, int], seconds: float) -> str:
    """Write how many calls and tokens a run used, by role; `tokens` has the sum as `total`."""
    rows = [(role, f"{count:,}", f"{tokens.get(role, 0):,}") for role, count in calls.items() if count]
    total = f"The whole run used {tokens['total']:,} tokens and took {seconds:.0f} s."
    return f"{table(('role', 'calls', 'tokens'), rows)}\n\n{total}"


def fields_section(schema: str, row: type[BaseModel]) -> str:
    """Write the name, the types and the meaning of every field of a row."""
    described = row.model_json_schema()["properties"]
    for name, computed in row.model_computed_fields.items():
        described[name] = TypeAdapter(computed.return_type).json_schema() | {"description": computed.description}
    rows = []
    for name, field in described.items():
        kinds = (str(kind["type"]) for kind in (field, *field.get("anyOf", ())) if "type" in kind)
        rows.append((f"`{name}`", " or ".join(kinds), re.sub(r"\s+", " ", field.get("description", ""))))
    return f"Every line is one JSON object (format `{schema}`).\n\n{table(('field', 'type', 'meaning'), rows)}"


def settings_section(settings: Mapping[str, Any]) -> str:
    """Write the settings, without the addresses of servers, which are private, and the wording of the prompts."""
    rows = [
        (f"`{name}`", _setting(value))
        for name, value in sorted(settings.items())
        if not name.endswith("base_url") and name != "prompts"
    ]
    return table(("setting", "value"), rows)


def _setting(value: Any) -> str:
    match value:
        case list() | tuple():
            return ", ".join(map(str, value))
        case {"model": model, "options": dict() as options}:  # a role
            return ", ".join((str(model), *(f"{name} {option}" for name, option in options.items())))
        case {"model": model}:
            return str(model)
    return str(value)


def prompts_section(wording: str, hashes: Mapping[str, str]) -> str:
    """Write the wording of the prompts, which is YAML for `--prompts`, and its hash by node."""
    digits = ", ".join(f"{node} `{found}`" for node, found in hashes.items())
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", wording)), default=0))
    return f"By the first digits of the SHA-256: {digits}.\n\n{fence}yaml\n{wording}{fence}"


def licence_section(source: Source) -> str:
    """Write the terms under which the data may be used, and what to cite."""
    terms = f"The problems are under {source.licence}; what the models wrote is under the terms of those models."
    if source is UNKNOWN:
        terms = (
            "The licence of the problems is not known to the program that wrote this card: state it in the header "
            "before you publish. What the models wrote is under the terms of those models."
        )
    citations = "\n\n".join(text for text in (METHOD, source.citation) if text)
    return f"{terms}\n\n```bibtex\n{citations}\n```"


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def counted(counts: Mapping[str, int]) -> str:
    """Write counts on one line: `3 truncated, 1 duplicate`."""
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _size(rows: int) -> str:
    """Give the hub's size category for a number of rows."""
    for most, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < most:
            return name
    return "1M<n<10M"
