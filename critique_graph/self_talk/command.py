"""`critique-graph self-talk`: makes paths that think aloud, with mistakes and their repairs."""

from typing import Annotated

from cyclopts import Parameter

from critique_graph.self_talk.make import make_self_talk
from critique_graph.self_talk.progress import TalkProgress
from critique_graph.self_talk.settings import SelfTalkSettings
from critique_graph.self_talk.table import talk_table
from critique_graph.verbs.output import RunOutput


def self_talk(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[SelfTalkSettings, Parameter(name="*")] = SelfTalkSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Make self-talk data: a critic's words after every step, wrong steps repaired until no error is left.

    Every problem needs its reference answer, which grades what was made. Correct paths become talks, too. The data set
    is in the run's folder, under `dataset`; `train self-talk`, `train self-correction` and `train actor` learn from it.
    The same command again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
    """
    found = make_self_talk(**settings.naming(problems), **output.keywords(), progress=output.progress(TalkProgress))
    return output.show(found, [talk_table(found)])
