"""`critique-graph check`: whether a pair of models is fit for the method."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from critique_graph.check.pair import Check, check_pair
from critique_graph.check.settings import CheckSettings
from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import figures_table, plain
from critique_graph.runs.progress import Progress
from critique_graph.verbs.output import RunOutput


def check(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[CheckSettings, Parameter(name="*")] = CheckSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Play ten problems with a pair of models, and say whether it is fit for the method and what to change.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
    """
    found = check_pair(**settings.naming(problems), **output.keywords(), progress=output.progress(Progress))
    return output.show(found, [figures_table(_figures(found)), *(plain(f"- {advice}") for advice in found.advice)])


def _figures(found: Check) -> Iterator[tuple[str, str]]:
    yield "problems", found.outcomes_in_words({})
    yield "readable", _line(found.readable, "critiques")
    yield "aligned", _line(found.aligned, "judged steps")
    yield "truncated", _line(found.truncated, "texts")
    yield "bare", _line(found.bare_refinements, "refinements give an answer alone")
    yield "says wrong", _line(found.says_wrong_on_wrong, "wrong responses")
    yield "", _line(found.says_wrong_on_right, "correct responses")
    yield "continues a prefix", "yes" if found.continues_prefix else "no"
    yield "keeps to a schema", "yes" if found.structured else "no"
    speed = "unknown" if found.tokens_per_second is None else f"{found.tokens_per_second:,} tokens a second"
    yield "speed", f"{speed}, {found.calls} calls in {found.seconds:.0f} s"


def _line(rate: Rate, of: str) -> str:
    return f"{rate.percent()} of {rate.n} {of}"
