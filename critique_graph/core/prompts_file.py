"""Read the wording of prompts from a file, a shipped name or a mapping, and write it as a file to start from."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter
from pydantic import BeforeValidator, PlainSerializer, ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Opening, Prompts
from critique_graph.core.settings import MODELS

PromptsGiven = Prompts | Mapping[str, Any] | str | Path
"""A wording: the record, its nodes as a mapping, the name of one that ships, or a YAML file."""
SHIPPED = ("default", "math-en", "math-zh")
_FOLDER = Path(__file__).parent / "wordings"
_USED_FOR = {
    "solve": "The actor's first response. Continuations begin with this prompt, too.",
    "critique": "The critic's judgement of a response. {{steps}} is the response with its steps numbered.",
    "refine": "The actor's refinement. It goes on with the conversation of solve: that prompt, and the response.",
    "annotate": "The critique of the annotator, who gets hints (generate). {{ending}} is first_error or all_steps.",
    "corrupt": "A model's error in the last step of a correct beginning (generate --corruptor MODEL).",
    "smooth": "A model's rewriting of self-talk (self-talk --smoother MODEL); the talk is the response.",
}
_HEAD = """\
# The wording of the prompts: critique-graph run --prompts THIS_FILE
# A node or key that is left out keeps the default. Slots are written {{name}}; other braces are text.
# `system` is a system message. `examples` are conversations before the request: a list of mappings with the texts
# that are named for each node, and the `reply`.
"""


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def read_prompts(given: PromptsGiven) -> Prompts:
    """Give the wording that is named, or that a file or a mapping holds.

    Raises:
        InputError: There is no such file or name, or a node or a slot is missing or unknown.
    """
    if isinstance(given, Prompts):
        return given
    if isinstance(given, Mapping):
        return _checked("prompts", given)
    if str(given) == "default":
        return DEFAULT_PROMPTS
    if str(given).lstrip().startswith("{"):  # as a run.yaml reaches the flag
        return _checked("prompts", _parsed("prompts", str(given)))
    file = Path(_FOLDER / f"{given}.yaml") if given in SHIPPED else Path(given).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = ", ".join(SHIPPED)
        raise InputError(f"--prompts {given}: there is no such file; the wordings that ship are {names}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise InputError(f"--prompts {given}: {reason}.") from None
    return _checked(f"--prompts {given}", _parsed(f"--prompts {given}", text))


def prompts_yaml(prompts: Prompts, nodes: Iterable[str] | None = None) -> str:
    """Write a wording as YAML, without comments; `nodes` chooses some of its nodes."""
    content = prompts.model_dump(mode="json", include=None if nodes is None else set(nodes))
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def prompts_file(prompts: Prompts) -> str:
    """Write a wording as a YAML file to start from; its comments say which slots each node has."""
    parts = [_HEAD]
    for name in Prompts.model_fields:
        wording = getattr(prompts, name)
        needed = ", ".join(" or ".join(f"{{{{{slot}}}}}" for slot in slots.split("|")) for slots in wording.needed)
        more = f"; also {', '.join(f'{{{{{slot}}}}}' for slot in wording.more)}" if wording.more else ""
        examples = ", ".join((*wording.texts, "reply"))
        system = "" if isinstance(wording, Opening) else " It has no system message of its own."
        parts.append(
            f"# {_USED_FOR[name]}{system}\n# Slots: {needed}{more}. Texts of an example: {examples}.\n"
            + prompts_yaml(prompts, [name])
        )
    return "\n".join(parts)


def _parsed(source: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise InputError(f"{source}: this is no YAML{place}: {problem}.") from None


def _checked(source: str, content: Any) -> Prompts:
    if not isinstance(content, Mapping):
        nodes = ", ".join(Prompts.model_fields)
        raise InputError(f"{source}: expected a mapping with some of the nodes {nodes}.")
    try:
        return Prompts.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ": ".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            known = Prompts.model_fields if len(first["loc"]) == 1 else _keys(content, first["loc"][:-1])
            message = f"there is no such key; it is one of {', '.join(known)}"
        raise InputError(f"{source}: {place}: {message}.") from None


def _keys(content: Any, loc: tuple[int | str, ...]) -> Iterable[str]:
    """Give the keys of the record at a place in the wording."""
    record: Any = DEFAULT_PROMPTS
    for part in loc:
        record = getattr(record, str(part))
    return tuple(type(record).model_fields)


def _from_setting(given: Any) -> Any:
    return read_prompts(given) if isinstance(given, Mapping | str | Path) else given


PromptsSetting = Annotated[
    Prompts,
    BeforeValidator(_from_setting),
    PlainSerializer(lambda prompts: prompts.recorded(), return_type=Any),
    MODELS,
    Parameter(
        accepts_keys=False,
        n_tokens=1,
        converter=lambda _, tokens: tokens[0].value,
        show_default=lambda prompts: prompts.recorded(),
    ),
]
"""A setting that takes a wording in any of its forms."""
